"""Keep something in the browser, beside the session: for this portal alone, also where others share its host.

Browsers tell cookies apart by host and path, not by port, so the names depend on the portal's address.
"""

from __future__ import annotations

from flask import Flask, Response, current_app, request
from flask.sessions import SecureCookieSessionInterface

from portal.config import Settings


class SessionCookie(SecureCookieSessionInterface):
    """Flask's session, in a cookie of this portal."""

    def get_cookie_name(self, app: Flask) -> str:
        return name_of("")


def read(kind: str) -> str:
    """What is kept; empty where nothing is."""
    return request.cookies.get(name_of(kind), "")


def is_kept(kind: str) -> bool:
    """Whether the browser brings it, with whatever value."""
    return name_of(kind) in request.cookies


def keep(response: Response, kind: str, value: str, *, seconds: int | None) -> None:
    """Keep a value for so many seconds; None: until the browser is closed."""
    config = current_app.config
    response.set_cookie(
        name_of(kind),
        value,
        max_age=seconds,
        path=config["SESSION_COOKIE_PATH"],
        secure=config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite=config["SESSION_COOKIE_SAMESITE"],
    )


def forget(response: Response, kind: str) -> None:
    config = current_app.config
    response.delete_cookie(
        name_of(kind), path=config["SESSION_COOKIE_PATH"], secure=config["SESSION_COOKIE_SECURE"], httponly=True
    )


def name_of(kind: str) -> str:
    """The cookie's name; of no kind: the session's."""
    settings: Settings = current_app.extensions["portal"]
    own = settings.cookie_name(request.host_url)
    return f"{own}-{kind}" if kind else own
