"""After sign-in, redirect people to a page that they can see.

`next` may point to a page of whoever was signed in before, or come from a link that was meant for somebody else. If
that page is forbidden or missing, the person is redirected to the home page. Both get the same response, so that
nobody learns whether a row exists.
"""

from __future__ import annotations

from flask import Flask, Response, g, request
from flask import session as cookie
from flask_login import current_user

from portal.web.rendering import redirect, wants_fragment
from portal.web.session import UNBOUND
from portal.web.urls import here, home

ARRIVAL = "arrival"
CLOSED = (403, 404, 405)


def init_app(app: Flask) -> None:
    """Register this before the guards, whose refusals count too."""
    app.before_request(arrive)


def redirect_after_sign_in(path: str) -> Response:
    """Redirect somebody who has just signed in."""
    cookie[ARRIVAL] = True
    return redirect(path)


def arrive() -> None:
    """Treat the first page requested after sign-in as the arrival."""
    if request.method == "GET" and request.endpoint not in UNBOUND and not wants_fragment():
        g.arrives = cookie.pop(ARRIVAL, False)


def instead_of(code: int) -> Response | None:
    """The redirect that replaces an error page on arrival; None if the error is to be shown."""
    is_arrival = g.get("arrives", False) and current_user.is_authenticated
    return redirect(home()) if is_arrival and code in CLOSED and here() != home() else None
