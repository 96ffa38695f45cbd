"""The page, or the dialog, in which a person arranges a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.core.db import db
from portal.core.listing import PER_PAGE, Listing
from portal.resources.arranging import ARGUMENT, Arrangement, arrangement_of, choices, in_order, remember
from portal.resources.resource import Resource
from portal.web.rendering import redirect, render

UP, DOWN, RESET = "up", "down", "reset"


def arrange_page(resource: Resource[Any], listing: Listing) -> ResponseReturnValue:
    """Choose columns, their order, rows per page and density. Moving a column shows the form again."""
    order, chosen = request.form.getlist("order"), request.form.getlist("column")
    usual = arrangement_of(resource.name)
    moved = request.form.get(UP) or request.form.get(DOWN)
    if request.method == "POST" and not moved:
        known = choices(resource.columns)
        columns = tuple(name for name in dict.fromkeys(order) if name in known and name in chosen)
        given = Arrangement.of(
            {"columns": columns, "per_page": int(_digits("per_page")), "is_dense": request.form.get("density")}
        )
        return _keep(resource, listing, Arrangement() if RESET in request.form else given)
    if moved:
        usual = Arrangement((), int(_digits("per_page")), bool(request.form.get("density")))
        known, order = choices(resource.columns), _moved(order, moved, -1 if UP in request.form else 1)
        listed = [(known[name], name in chosen) for name in dict.fromkeys([*order, *known]) if name in known]
    else:
        listed = in_order(resource.columns, listing.columns)
        usual = Arrangement((), listing.per_page, usual.is_dense)
    return render(
        "resources/arrange.html",
        fragment="resources/_arrange.html",
        resource=resource,
        listing=listing,
        listed=listed,
        usual=usual,
        sizes=PER_PAGE,
        to_list=_list_url(resource, listing),
    )


def _digits(name: str) -> str:
    text = request.form.get(name, "")
    return text if text in map(str, PER_PAGE) else str(PER_PAGE[0])


def _moved(order: Sequence[str], name: str, by: int) -> list[str]:
    """The names with one of them moved by one place."""
    names = list(order)
    if name in names:
        place = names.index(name)
        names.insert(max(place + by, 0), names.pop(place))
    return names


def _keep(resource: Resource[Any], listing: Listing, arrangement: Arrangement) -> ResponseReturnValue:
    """Remember it, and show the list, without what its URL says about the same."""
    usual = [column.name for column, is_chosen in in_order(resource.columns, ()) if is_chosen]
    if list(arrangement.columns) == usual:
        arrangement = Arrangement((), arrangement.per_page, arrangement.is_dense)
    db.session.rollback()  # don't hold a connection while waiting for another
    remember(current_user.id, resource.name, arrangement)
    return redirect(_list_url(resource, listing, **{ARGUMENT: None, "per_page": None}))


def _list_url(resource: Resource[Any], listing: Listing, **changes: str | None) -> str:
    return listing.url_with(**changes).replace(listing.path, resource.url("index"), 1)
