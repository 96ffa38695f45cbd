"""Find pages, actions and rows, by what features and resources declare."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import url_for
from flask_login import current_user

from portal.core.counts import Count
from portal.core.db import db
from portal.core.email_addresses import lookup_email
from portal.core.keys import read_key
from portal.core.listing import Listing
from portal.core.terms import is_called, words_of
from portal.resources.offers import Offer, correction, searched
from portal.resources.resource import Resource
from portal.web.given import found, lists

MOST = 5  # rows of a resource
USUAL = ("active", "deleted")  # the tabs of most lists; others have rows in further states


@dataclass(frozen=True)
class Hit:
    """A link; with `is_sent`, a button."""

    title: str
    url: str
    icon: str = ""
    notes: Sequence[str] = ()  # texts or markup
    is_sent: bool = False
    id: uuid.UUID | None = None  # of a row
    is_square: bool = False  # the icon of a row, as in its list
    is_exact: bool = False


@dataclass(frozen=True)
class Group:
    """Hits of one kind. `all_url` is the list of all of them; `total` is how many, if they were counted."""

    label: str
    hits: Sequence[Hit]
    all_url: str = ""
    total: Count | None = None

    @property
    def is_exact(self) -> bool:
        return any(hit.is_exact for hit in self.hits)


def groups_for(text: str, *, counts: bool = False) -> list[Group]:
    """What the actor finds, groups with exact matches first. With `counts`, rows are counted, as their lists do."""
    text = " ".join(words_of(text))
    groups = [Group("Pages and actions", list(_links(text.casefold()))), Group("Views", list(_views(text.casefold())))]
    if text:
        groups += [_rows_of(one, text, counts=counts) for one in searched() if one.name != "saved_views"]
    return sorted((one for one in groups if one.hits), key=lambda group: not group.is_exact)


def corrected(text: str) -> Offer | None:
    """Another spelling of a text that finds no row, for the list that it does."""
    text = " ".join(words_of(text))
    offers = (correction(one, text, partial(_listed, one)) for one in searched())
    return next((one for one in offers if one), None)


def _listed(resource: Resource[Any], q: str) -> Listing:
    return resource.listing({"q": q}, resource.url("index"), {})


def _links(text: str) -> Iterator[Hit]:
    """Pages and actions in which every word is the beginning of a word, each URL once, an exact label first."""
    hits: dict[str, Hit] = {}
    for link in found():
        if target := link.target():
            label, url = target
            if _begin(text, f"{label} {link.also}"):
                is_exact = label.casefold() == text
                hits.setdefault(url, Hit(label, url, link.icon, is_sent=link.is_sent, is_exact=is_exact))
    yield from sorted(hits.values(), key=lambda hit: not hit.is_exact)


def _views(text: str) -> Iterator[Hit]:
    """The saved views that the actor can open, each in its list."""
    for view in current_user.views if text else ():
        listed = lists().get(view.list_name)
        if listed and _begin(text, f"{view.name} {listed}"):
            url, is_exact = url_for(f"{view.list_name}.index", view=view.id), view.name.casefold() == text
            yield Hit(view.name, url, "list-check", [listed], is_exact=is_exact)


def _begin(text: str, label: str) -> bool:
    """Whether every word of the text is the beginning of a word of the label."""
    own = label.casefold().split()
    return all(any(one.startswith(word) for one in own) for word in text.split())


def _rows_of(resource: Resource[Any], text: str, *, counts: bool) -> Group:
    """Rows that the text identifies, then those of the list's first tab, then other rows that aren't deleted."""
    listing = _listed(resource, text)
    page = listing.page() if counts else None
    hits = {row.id: _hit(resource, row, is_exact=True) for row in _identified(resource, listing, text)}
    rows = page.rows if page else db.session.execute(listing.after(None, MOST + 1)).all()
    for row in rows:
        hits.setdefault(row.id, _hit(resource, row))
    has_more = len(rows) > MOST
    if len(hits) < MOST and len(listing.source.tabs) > len(USUAL):
        for other in resource.matching(text, MOST):
            hits.setdefault(other.id, _hit(resource, other))
    return Group(
        resource.plural.capitalize(),
        list(hits.values())[:MOST],
        listing.url if has_more else "",
        page.total if page and has_more else None,
    )


def _identified(resource: Resource[Any], listing: Listing, text: str) -> Sequence[Any]:
    """Rows with this key or unique text, including deleted ones, or with this name, if the list doesn't rank them."""
    model: Any = resource.records.model
    rows = listing.source.rows.limit(MOST)
    if key := read_key(text):
        rows = rows.where(model.id == key)
    elif resource.unique and " " not in text:
        unique = getattr(model, resource.unique).in_({text, text.lower(), lookup_email(text)})
        rows = rows.where(unique).order_by(model.deleted_at.desc().nulls_first())
    elif not listing.has_best:
        by_name = model.sort_name.collate("C")
        return db.session.execute(rows.where(is_called(by_name, text)).order_by(by_name, model.id)).all()
    else:
        return ()
    return db.session.execute(rows, execution_options={"with_deleted": True}).all()


def _hit(resource: Resource[Any], row: Any, *, is_exact: bool = False) -> Hit:
    """A row of a list, or an entity. Its state is shown unless that is the one of the list's first tab."""
    states = [column.value(row)[1] for column in resource.columns if column.kind == "dot" and column.value]
    state = "Deleted" if row.deleted_at else next((one for one in states if one != "Active"), "")
    organization = getattr(row, "organization_name", "")
    return Hit(
        resource.title_of(row),
        resource.url("show", row.id),
        notes=[one for one in (resource.subtitle_of(row), organization, state) if one],
        id=row.id,
        is_square=resource.is_square,
        is_exact=is_exact,
    )
