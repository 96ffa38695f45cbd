"""How much is done at once? What is above that is told to come back, so that the rest, and health, still answer."""

from __future__ import annotations

import threading

from flask import Flask, g, request

from portal.config import Settings
from portal.core.errors import Busy

EXEMPT = ("static", "health.live")


def init_app(app: Flask, settings: Settings) -> None:
    slots = threading.BoundedSemaphore(settings.concurrent_requests)

    @app.before_request
    def take() -> None:
        """Busy at once when every slot is taken: waiting would only fill the server's threads."""
        if request.endpoint in EXEMPT:
            return
        if not slots.acquire(blocking=False):
            raise Busy
        g.holds_slot = True

    @app.teardown_request
    def give_back(_error: BaseException | None) -> None:
        if g.pop("holds_slot", False):
            slots.release()
