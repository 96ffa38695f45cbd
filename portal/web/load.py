"""Shed load: requests above the limit get 503, so that other requests and health checks still get a response."""

from __future__ import annotations

import threading
import uuid
from collections import deque

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
    turns = Turns(settings.pool_size)

    @app.before_request
    def acquire() -> None:
        """Raise Busy at once if every slot is taken, and wait for a turn.

        Whoever checks a password waits for that instead, and holds no connection meanwhile.
        """
        if request.endpoint in EXEMPT:
            return
        checks_password = request.method == "POST" and request.endpoint in PASSWORD_CHECKS
        g.slots = []
        for slot in (slots, checks) if checks_password else (slots,):
            if not slot.acquire(blocking=False):
                raise _shed()
            g.slots.append(slot)
        if not checks_password:  # so that a flood of sign-ins leaves capacity for everybody else
            if not turns.acquire(settings.pool_timeout):
                raise _shed()
            g.slots.append(turns)

    @app.teardown_request
    def release(_error: BaseException | None) -> None:
        for slot in g.pop("slots", []):
            slot.release()


def _shed() -> Busy:
    g.was_shed = True
    return Busy()


class Turns:
    """Let only some requests work at a time, first come, first served.

    There are as many turns as connections. More requests would get in each other's way, and a connection that becomes
    free goes to whoever asks first, not to whoever waits longest: some requests would wait until they time out.
    """

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[threading.Lock] = deque()
        self._changing = threading.Lock()

    def acquire(self, timeout: float) -> bool:
        with self._changing:
            if self._free:
                self._free -= 1
                return True
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=timeout):
            return True
        with self._changing:
            if mine not in self._waiting:  # it was passed on just now
                return True
            self._waiting.remove(mine)
            return False

    def release(self) -> None:
        """Pass the turn on to whoever waits longest."""
        with self._changing:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


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
