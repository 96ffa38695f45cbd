"""How much is done at once? What is above that is told to come back, so that the rest, and health, still answer."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from flask import Flask, Response, g, request

from portal.config import Settings
from portal.core.errors import Busy

EXEMPT = ("static", "health.live")
PASSWORD_CHECKS = ("auth.login", "account.password")  # a quarter of a second of a processor each


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
                raise Busy
            g.slots.append(slot)

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        give_back(g.pop("slots", []))


def hold_until_sent(response: Response) -> Response:
    """A streamed answer is at work until its last byte."""
    slots = g.pop("slots", [])
    response.call_on_close(lambda: give_back(slots))
    return response


def give_back(slots: Iterable[threading.BoundedSemaphore]) -> None:
    for slot in slots:
        slot.release()
