"""From which page of a list did somebody come to a row, and how do they get back there?

Browsers say it when a link or a button of the list leads to the row. From then on addresses of the same row carry it:
as `next` where an act was opened from the list and leads back there when it is done, as `back` everywhere else.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, has_request_context, request, url_for

from portal.web.given import lists
from portal.web.urls import safe_next

BACK, NEXT = "back", "next"


def init_app(app: Flask) -> None:
    app.url_defaults(carry_along)
    app.jinja_env.globals.update(list_url=list_url, next_url=next_url)


def list_url(to_list: str) -> str:
    """The page of the list from which somebody came to this row, else the list's beginning."""
    return _opened_from() or _given(BACK) or to_list


def next_url(otherwise: str) -> str:
    """Where the list that opened this act wants to be led when it is done."""
    return _opened_from() or otherwise


def carry_along(endpoint: str, values: dict[str, Any]) -> None:
    """Add the way to an address of the row that this request is about."""
    if not has_request_context() or "id" not in values or str(values["id"]) != str((request.view_args or {}).get("id")):
        return
    opened_from = _opened_from()
    if opened_from and endpoint == request.endpoint:
        values.setdefault(NEXT, opened_from)
    elif "?" in (way := opened_from or _given(BACK)):
        values.setdefault(BACK, way)


def _opened_from() -> str:
    return _given(NEXT) or _list_before()


def _given(name: str) -> str:
    return safe_next(request.args.get(name), "")


def _list_before() -> str:
    """The address of the list that held what led here. No list names it in its rows: it would stand there often."""
    before = request.headers.get("Referer", "")
    if request.blueprint not in lists() or not before.startswith(request.host_url):
        return ""
    address = before[len(request.host_url) - 1 :]
    is_list = address.partition("?")[0] == url_for(f"{request.blueprint}.index")
    return safe_next(address, "") if is_list else ""
