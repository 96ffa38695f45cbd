"""The page, or the dialog, in which a person arranges a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flask import request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.core.db import db
from portal.core.listing import PER_PAGE, Listing
from portal.resources.arranging import ARGUMENT, Arrangement, arrangement_of, choices, in_order, remember
from portal.resources.opening import Listed, query_of, views_of
from portal.web.rendering import redirect, render

UP, DOWN, RESET = "up", "down", "reset"


def arrange_page(listed: Listed, listing: Listing) -> ResponseReturnValue:
    """Choose columns, their order, rows per page and density. Moving a column shows the form again."""
    order, chosen = request.form.getlist("order"), request.form.getlist("column")
    moved = request.form.get(UP) or request.form.get(DOWN)
    known, own = choices(listed.columns), views_of(listed.name)
    if request.method != "POST":
        usual = arrangement_of(listed.name)
        sent = Arrangement((), listing.per_page, usual.is_dense, usual.view)
        shown = in_order(listed.columns, listing.columns)
    else:
        columns = tuple(name for name in dict.fromkeys(order) if name in known and name in chosen)
        view = next((one.id for one in own if one.id == request.form.get("view")), "")
        sent = Arrangement(columns, _per_page(), bool(request.form.get("density")), view)
        if not moved:
            return _keep(listed, listing, Arrangement() if RESET in request.form else sent)
        names = [*_moved(order, moved, -1 if UP in request.form else 1), *known]
        shown = [(known[name], name in chosen) for name in dict.fromkeys(names) if name in known]
    return render(
        "resources/arrange.html",
        fragment="resources/_arrange.html",
        resource=listed,
        listing=listing,
        listed=shown,
        usual=sent,
        views=own,
        sizes=PER_PAGE,
        to_list=_list_url(listed, listing),
        query=query_of(listing),
    )


def _per_page() -> int:
    return next((size for size in PER_PAGE if str(size) == request.form.get("per_page")), PER_PAGE[0])


def _moved(order: Sequence[str], name: str, by: int) -> list[str]:
    """The names with one of them moved by one place."""
    names = list(order)
    if name in names:
        place = names.index(name)
        names.insert(max(place + by, 0), names.pop(place))
    return names


def _keep(listed: Listed, listing: Listing, arrangement: Arrangement) -> ResponseReturnValue:
    """Save the arrangement, and show the list without the arguments that it replaces."""
    usual = tuple(column.name for column, is_chosen in in_order(listed.columns, ()) if is_chosen)
    columns = () if arrangement.columns == usual else arrangement.columns
    db.session.rollback()  # don't hold a connection while waiting for another
    if listing.view:  # columns and rows per page belong to the view, and are saved with it
        former = arrangement_of(listed.name)
        remember(current_user.id, listed.name, replace(arrangement, columns=former.columns, per_page=former.per_page))
        shown = {ARGUMENT: ",".join(columns) or None, "per_page": str(arrangement.per_page)}
        return redirect(_list_url(listed, listing, **shown))
    remember(current_user.id, listed.name, replace(arrangement, columns=columns))
    return redirect(_list_url(listed, listing, **{ARGUMENT: None, "per_page": None}))


def _list_url(listed: Listed, listing: Listing, **changes: str | None) -> str:
    return listing.url_with(**changes).replace(listing.path, listed.url("index"), 1)
