"""Cookies, private to this portal even if several portals share a host.

Browsers separate cookies by host and path, not by port, so the names include the port and the path.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Flask, Response, current_app, request
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface

from portal.web.given import current_settings


class PlainJson(TaggedJSONSerializer):
    """Write plain JSON, in a tenth of the time. Read the tags that Flask used for other types, too."""

    def dumps(self, value: Any) -> str:
        return json.dumps(value, separators=(",", ":"))


class SessionCookie(SecureCookieSessionInterface):
    """Flask's session, in a cookie with this portal's name."""

    serializer = PlainJson()

    def get_cookie_name(self, app: Flask) -> str:
        return name_of("")


def read(kind: str) -> str:
    """The cookie's value; empty if there is none."""
    return request.cookies.get(name_of(kind), "")


def is_kept(kind: str) -> bool:
    """Whether the browser sent the cookie, with any value."""
    return name_of(kind) in request.cookies


def keep(response: Response, kind: str, value: str, *, seconds: int | None) -> None:
    """Set a cookie that lasts this many seconds; with None, until the browser is closed."""
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
    """The name of a cookie; that of the session cookie if `kind` is empty."""
    settings = current_settings()
    own = settings.cookie_name(request.host_url)
    return f"{own}-{kind}" if kind else own
