"""Return to the page of a list from which a person opened a row.

Browsers send that page as the Referer when a link or button of the list opens the row. From then on, URLs of the same
row contain it: as `next` if the list opened a change, which returns there afterwards, else as `back`.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, g, has_request_context, request, url_for

from portal.web.given import lists
from portal.web.urls import safe_next

BACK, NEXT = "back", "next"


def init_app(app: Flask) -> None:
    app.url_defaults(carry_along)
    app.jinja_env.globals.update(list_url=list_url, next_url=next_url)


def list_url(to_list: str) -> str:
    """The page of the list from which the person opened this row, or `to_list`."""
    return _opened_from() or _given(BACK) or to_list


def next_url(otherwise: str) -> str:
    """The URL to redirect to after this change: the page of the list that opened it, or `otherwise`."""
    return _opened_from() or otherwise


def carry_along(endpoint: str, values: dict[str, Any]) -> None:
    """Add the page of the list to URLs of the row in this request."""
    if "id" not in values or not has_request_context() or str(values["id"]) != str((request.view_args or {}).get("id")):
        return
    opened_from = _opened_from()
    if opened_from and endpoint == request.endpoint:
        values.setdefault(NEXT, opened_from)
    elif "?" in (origin := opened_from or _given(BACK)):
        values.setdefault(BACK, origin)


def _opened_from() -> str:
    """The list that opened a change, found once per request: every URL of the row asks."""
    if "opened_from" not in g:
        g.opened_from = _given(NEXT) or _list_before()
    found: str = g.opened_from
    return found


def _given(name: str) -> str:
    return safe_next(request.args.get(name), "")


def _list_before() -> str:
    """The URL of the list that led here, from the Referer. The rows of a list don't contain it, to keep them short."""
    before = request.headers.get("Referer", "")
    if not before or request.blueprint not in lists() or not before.startswith(request.host_url):
        return ""
    address = before[len(request.host_url) - 1 :]
    is_list = address.partition("?")[0] == url_for(f"{request.blueprint}.index")
    return safe_next(address, "") if is_list else ""
