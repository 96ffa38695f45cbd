"""How much is done at once? What is above that is told to come back, so that the rest, and health, still answer."""

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
)  # a quarter of a second of a processor each

_exporting: set[uuid.UUID | None] = set()
_exporting_lock = threading.Lock()


def init_app(app: Flask, settings: Settings) -> None:
    slots = threading.BoundedSemaphore(settings.concurrent_requests)
    checks = threading.BoundedSemaphore(max(settings.concurrent_requests // 3, 1))

    @app.before_request
    def take() -> None:
        """Busy at once when every slot is taken: waiting would only fill the server's threads."""
        if request.endpoint in EXEMPT:
            return
        wanted = [slots]
        if request.method == "POST" and request.endpoint in PASSWORD_CHECKS:
            wanted.append(checks)  # so that a flood of sign-ins leaves room for everybody else
        g.slots = []
        for slot in wanted:
            if not slot.acquire(blocking=False):
                g.was_shed = True
                raise Busy
            g.slots.append(slot)

    @app.teardown_request
    def give_back(_error: BaseException | None) -> None:
        for slot in g.pop("slots", []):
            slot.release()


def hold_export(response: Response, who: uuid.UUID | None) -> Response:
    """Keep one of the few places for long answers until the last byte is sent; a person gets one at a time.

    They are fewer than the connections of the pool, and apart from the places of other requests: whoever reads slowly
    or not at all keeps nobody else waiting. Conflict where none is free.
    """
    with _exporting_lock:
        if who in _exporting:
            raise Conflict(None, "You are downloading a file already. Wait until it is there, or stop it.")
        if len(_exporting) >= EXPORTS:
            raise Conflict(None, "Others are downloading files just now. Try again in a minute.")
        _exporting.add(who)
    response.call_on_close(lambda: _exporting.discard(who))
    return response
