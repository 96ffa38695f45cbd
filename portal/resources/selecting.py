"""Act on the selected rows of a list, with the actions that its resource and relations declare."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from portal.core.actor import current_actor
from portal.core.bulk import among
from portal.core.clock import now
from portal.core.counts import number_of
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.core.keys import read_key
from portal.core.listing import Filter, Listing
from portal.core.policy import allows
from portal.resources.bulk import DELETED, BulkAction
from portal.resources.bulk_linking import linking_actions
from portal.resources.deciding import Decision, Part, decide, job_for
from portal.resources.entering import FIELD as ENTRY
from portal.resources.entering import EntryForm
from portal.resources.exporting import export
from portal.resources.resource import KINDS, Resource
from portal.web.confirming import render_question
from portal.web.error_pages import page
from portal.web.urls import with_query

ROW, ALL, ACTION = "id", "all", "action"
MOST = 100_000  # rows: one job changes them within half a minute, and they stay locked meanwhile
NOBODY = "Nothing is selected. Go back, select at least one row, and choose the action again."
TOO_MANY = "More than {:,} {} can't be changed at once. Narrow the list with the search and filters, then try again."


@cache
def actions_of(resource: Resource[Any]) -> Sequence[BulkAction]:
    """All actions on rows of a resource: its own, those of its relations, and those that every resource has."""
    may = resource.permissions
    restore = BulkAction(
        "restore", "Restore", "arrow-back-up", "Restore {}", "{} restored.", may.delete,
        lambda _: resource.setting(resource.records, {"deleted_at": None}, "Not deleted any more"),
        tabs=(DELETED,), is_first=True,
    )  # fmt: skip
    delete = BulkAction(
        "delete", "Delete", "trash", "Delete {}", "{} deleted.", may.delete,
        lambda _: resource.setting(resource.records, {"deleted_at": now()}),
        is_risky=True, is_first=True,
    )  # fmt: skip
    downloads = (
        BulkAction(f"export-{kind}", f"Download {label}", "download", "", "", may.list, kind=kind)
        for kind, label in KINDS.items()
    )
    return (*resource.actions, *linking_actions(resource), restore, delete, *downloads)


def offered(resource: Resource[Any], tab: str) -> list[BulkAction]:
    """The actions that a tab of the list shows to the actor."""
    return [one for one in actions_of(resource) if one.is_offered(tab)]


@dataclass(frozen=True)
class Selection:
    """The rows that the form of the list selects, by key or all of them."""

    resource: Resource[Any]
    listing: Listing

    @cached_property
    def ids(self) -> Sequence[uuid.UUID]:
        """Their keys. All rows of the list are read with its own statement, so that they are the listed ones."""
        if ALL not in request.form:
            return list(dict.fromkeys(key for text in request.form.getlist(ROW) if (key := read_key(text))))
        rows = self.listing.after(None, MOST + 1)
        keys = rows.with_only_columns(rows.selected_columns["id"], maintain_column_froms=True)
        return db.session.scalars(keys, execution_options=self.listing.options).all()

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields that select the same rows again."""
        return [(ALL, "1")] if ALL in request.form else [(ROW, str(key)) for key in self.ids]

    @property
    def back_url(self) -> str:
        """The page of the list on which they were selected."""
        return with_query(self.resource.url("index"))


def act(resource: Resource[Any], listing: Listing) -> ResponseReturnValue:
    """Carry out the chosen action on the selected rows, or ask for what is missing."""
    chosen = next((one for one in actions_of(resource) if one.name == request.form.get(ACTION)), None)
    if chosen is None or not chosen.fits(listing.status):
        raise BadRequest
    if not allows(current_actor(), chosen.permission):
        raise NotAllowed
    selected = Selection(resource, listing)
    if not (ALL in request.form and chosen.kind) and not selected.ids:
        return page(400, NOBODY)
    if chosen.kind:
        return export(resource, listing if ALL in request.form else _narrowed(resource, selected.ids), chosen.kind)
    if len(selected.ids) > MOST:
        return page(400, TOO_MANY.format(MOST, resource.plural))
    return _change(chosen, selected)


def _narrowed(resource: Resource[Any], ids: Sequence[uuid.UUID]) -> Listing:
    """The list of these rows."""
    model: Any = resource.records.model
    by_key = Filter(lambda _: among(model.id, ids), lambda *_: "Selected", is_found=False)
    tab = {"status": request.args.get("status", "")}
    return resource.listing({**tab, "selected": "yes"}, resource.url("index"), {"selected": by_key})


def _change(chosen: BulkAction, selected: Selection) -> ResponseReturnValue:
    resource, fields, entered, name = selected.resource, [(ACTION, chosen.name), *selected.fields], None, ""
    if chosen.entry:
        form = EntryForm(chosen.entry)
        if not form.is_entered():
            many = number_of(len(selected.ids), resource.noun, resource.plural)
            title, back_url = f"{chosen.title.format(many, entry=chosen.entry.title)}?", selected.back_url
            body = "resources/_entry.html"
            return render_question(title, (), verb="Continue", back_url=back_url, fields=fields, body=body, form=form)
        entered = form.row
        name = form.resource.title_of(entered) if entered else chosen.entry.none
        fields.append((ENTRY, str(entered.id) if entered else ""))
    assert chosen.change  # noqa: S101 -- an action without one is a download
    change = chosen.change(entered)
    return decide(
        Decision(
            title=chosen.title,
            verb=chosen.label,
            done=chosen.done,
            entry=name,
            parts=[Part(resource, change, selected.ids)],
            fields=fields,
            back_url=selected.back_url,
            is_risky=chosen.is_risky,
            job=job_for(resource, is_by_system=change.is_by_system),
            arguments={"action": chosen.name, "entry": str(entered.id) if entered else ""},
        )
    )
