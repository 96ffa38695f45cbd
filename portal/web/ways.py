"""From which page of a list did somebody come to a row, and how do they get back there?

Lists hand their own address on: to a row's page as `back`, to an act that leads back there when it is done as `next`.
All links and redirects from there to pages of the same row carry it along by themselves.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, has_request_context, request

from portal.web.addresses import safe_next

BACK, NEXT = "back", "next"


def init_app(app: Flask) -> None:
    app.url_defaults(carry_along)
    app.jinja_env.globals.update(way_back=way_back, way_on=way_on)


def way_back(to_list: str) -> str:
    """The page of the list from which somebody came to this row, else the list's beginning."""
    return _given(NEXT) or _given(BACK) or to_list


def way_on(otherwise: str) -> str:
    """Where the list that opened this act wants to be led when it is done."""
    return _given(NEXT) or otherwise


def carry_along(endpoint: str, values: dict[str, Any]) -> None:
    """Add the way to an address of the row that this request is about."""
    if not has_request_context() or "id" not in values or str(values["id"]) != str((request.view_args or {}).get("id")):
        return
    back, on = _given(BACK), _given(NEXT)
    if on and endpoint == request.endpoint:
        values.setdefault(NEXT, on)
    elif on or back:
        values.setdefault(BACK, on or back)


def _given(name: str) -> str | None:
    return safe_next(request.args.get(name), "") or None
