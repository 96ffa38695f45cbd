"""Shed load: requests above the limit get 503, so that other requests and health checks still get a response."""

from __future__ import annotations

import threading
import uuid

from flask import Flask, Response, g, request

from portal.config import Settings
from portal.core.errors import Busy, Conflict

EXEMPT = ("static", "health.live", "health.metrics")
EXPORTS = 4
PASSWORD_CHECKS = (
    "auth.login",
    "links.accept",
    "links.reset",
    "account.password",
    "account.email",
    "api.login",
    "mfa.remove",
)  # each takes a quarter of a second of processor time

_exporting: set[uuid.UUID | None] = set()
_exporting_lock = threading.Lock()


def init_app(app: Flask, settings: Settings) -> None:
    slots = threading.BoundedSemaphore(settings.concurrent_requests)
    checks = threading.BoundedSemaphore(max(settings.concurrent_requests * 2 // 3, 1))

    @app.before_request
    def acquire() -> None:
        """Raise Busy at once if every slot is taken: waiting would only occupy the server's threads."""
        if request.endpoint in EXEMPT:
            return
        wanted = [slots]
        if request.method == "POST" and request.endpoint in PASSWORD_CHECKS:
            wanted.append(checks)  # so that a flood of sign-ins leaves capacity for everybody else
        g.slots = []
        for slot in wanted:
            if not slot.acquire(blocking=False):
                g.was_shed = True
                raise Busy
            g.slots.append(slot)

    @app.teardown_request
    def release(_error: BaseException | None) -> None:
        for slot in g.pop("slots", []):
            slot.release()


def hold_export(response: Response, who: uuid.UUID | None) -> Response:
    """Occupy one of the few slots for long responses until the last byte is sent. Each person gets one at a time.

    There are fewer slots than pooled connections, and they are separate from those of other requests, so that slow
    downloads block nobody. Raises Conflict if none is free.
    """
    with _exporting_lock:
        if who in _exporting:
            raise Conflict(None, "You are already downloading a file. Wait until it is finished, or cancel it.")
        if len(_exporting) >= EXPORTS:
            raise Conflict(None, "Other people are downloading files right now. Try again in a minute.")
        _exporting.add(who)
    response.call_on_close(lambda: _exporting.discard(who))
    return response
