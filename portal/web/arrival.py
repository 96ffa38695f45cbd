"""Lead people who have just signed in to a page that they may see.

`next` may name a page of somebody who was signed in before, or of a link that was meant for others. Where the page is
forbidden or missing, whoever arrives there goes to the home page instead. Both answers are the same, so that nobody
learns whether a row exists.
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


def lead_to(path: str) -> Response:
    """Redirect somebody who has just signed in."""
    cookie[ARRIVAL] = True
    return redirect(path)


def arrive() -> None:
    """The first page that is requested after signing in is where the person arrives."""
    if request.method == "GET" and request.endpoint not in UNBOUND and not wants_fragment():
        g.arrives = cookie.pop(ARRIVAL, False)


def instead_of(code: int) -> Response | None:
    """The redirect that replaces an error page on arrival; None if the error is to be shown."""
    is_arrival = g.get("arrives", False) and current_user.is_authenticated
    return redirect(home()) if is_arrival and code in CLOSED and here() != home() else None
