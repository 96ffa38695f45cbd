"""Open a list as its URL asks or as the person usually does, perhaps with a saved view, and compare it with that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from flask import g, request
from flask_login import current_user

from portal.core.filtering import joined
from portal.core.listing import PER_PAGE, Listing
from portal.resources.arranging import ARGUMENT, Arrangement, arrange, arrangement_of
from portal.resources.columns import Column
from portal.web.session import ListView

# Arguments of URLs: the view to open; the view that the list was opened with, or "all" if none.
VIEW, OF, EVERYTHING = "view", "of", "all"
MOST_FIELDS = 100
GONE = "This view doesn’t exist, or it’s no longer shared with you."


class Listed(Protocol):
    """What has a list that can be arranged and saved as a view: a resource, or the activity."""

    @property
    def name(self) -> str:
        """The blueprint whose `index` is the list."""

    @property
    def plural(self) -> str:
        """What the list contains."""

    @property
    def columns(self) -> Sequence[Column]:
        """The columns to choose from."""

    def url(self, page: str) -> str:
        """The URL of one of its pages."""


@dataclass(frozen=True)
class Opened:
    """The view that a list was opened with, its URL, and whether the list differs from it since."""

    view: ListView
    url: str
    is_changed: bool


def views_of(name: str) -> Sequence[ListView]:
    """The views of a list that the person can open."""
    return [one for one in current_user.views if one.list_name == name]


def asked(name: str, arguments: Mapping[str, str], usual: str) -> tuple[dict[str, str], str, str]:
    """The arguments of the list, the key of its view, if any, and what its URLs say about that.

    A view is opened by its key alone, or as the `usual` one by no arguments at all.
    """
    given = dict(arguments)
    wanted, of = given.pop(VIEW, None), given.pop(OF, "")
    by_key = {one.id: one for one in views_of(name)}
    opened = by_key.get(wanted or (usual if not arguments else ""))
    if opened:
        return {**arguments_of(opened.query), **given}, opened.id, opened.id
    if of == EVERYTHING or of in by_key:
        return given, "" if of == EVERYTHING else of, of
    return given, "", EVERYTHING if usual in by_key else ""


def open_list(
    listed: Listed, build: Callable[[dict[str, str]], Listing], *, opens: bool = False, q: str | None = None
) -> Listing:
    """The list for the request's URL, or for another search in it. It `opens` with the person's default view."""
    usual = arrangement_of(listed.name)
    given = joined(request.args.to_dict(flat=False)) | ({} if q is None else {"q": q})
    arguments, key, of = asked(listed.name, given, usual.view if opens else "")
    if key:  # it is arranged as the view was saved
        usual = Arrangement(is_dense=usual.is_dense)
    columns = arguments.pop(ARGUMENT, None)
    listing = build({"per_page": str(usual.per_page), **arguments})
    arrange(listing, listed.columns, usual, columns)
    listing.view = g.opened_view = key  # the navigation marks it
    if of:
        listing.carried = {**listing.carried, OF: of}
    if request.args.get(VIEW) and not key:
        listing.refused[VIEW] = GONE
    return listing


def arguments_of(query: str) -> dict[str, str]:
    """The arguments of a list that a view stores."""
    stored = parse_qsl(query[:5000].replace("%00", ""))[:MOST_FIELDS]  # PostgreSQL refuses NUL
    return {key: value for key, value in stored if key not in (VIEW, OF)}


def query_of(listing: Listing) -> str:
    """What is saved of a list: the arguments of its URL, with its columns and rows per page."""
    per_page = None if listing.per_page == PER_PAGE[0] else str(listing.per_page)
    columns = ",".join(listing.columns) or None
    return listing.url_with(**{OF: None, ARGUMENT: columns, "per_page": per_page}).partition("?")[2]


def opened(listing: Listing, name: str) -> Opened | None:
    """The view of the list, if it has one."""
    view = next((one for one in views_of(name) if one.id == listing.view), None) if listing.view else None
    if view is None:
        return None
    is_changed = dict(parse_qsl(query_of(listing))) != dict(parse_qsl(view.query[:5000]))
    return Opened(view, f"{listing.path}?{VIEW}={view.id}", is_changed)
