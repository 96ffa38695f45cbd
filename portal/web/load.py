"""Shed load: requests above the limit get 503, so that other requests and health checks still get a response."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask, Response, g, request

from portal.config import Settings
from portal.core.errors import Busy, Conflict

EXEMPT = ("static", "health.live", "health.metrics")
PASSWORD_CHECKS = (
    "auth.login",
    "links.accept",
    "links.reset",
    "account.password",
    "account.email",
    "api.login",
    "mfa.remove",
)  # each takes a quarter of a second of processor time


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


class Slots:
    """A few slots for long tasks of this process. Each person gets one at a time."""

    def __init__(self, most: int, own: str, others: str) -> None:
        self._most, self._own, self._others = most, own, others  # sentences for people
        self._taken: set[uuid.UUID | None] = set()
        self._taking = threading.Lock()

    def take(self, who: uuid.UUID | None) -> None:
        """Raises Conflict if none is free, or this person has one."""
        with self._taking:
            if who in self._taken:
                raise Conflict(None, self._own)
            if len(self._taken) >= self._most:
                raise Conflict(None, self._others)
            self._taken.add(who)

    def give_back(self, who: uuid.UUID | None) -> None:
        self._taken.discard(who)

    @contextmanager
    def held(self, who: uuid.UUID | None) -> Iterator[None]:
        self.take(who)
        try:
            yield
        finally:
            self.give_back(who)


exports = Slots(
    4, "You are already downloading a file. Wait until it is finished, or cancel it.",
    "Other people are downloading files right now. Try again in a minute.",
)  # fmt: skip
uploads = Slots(
    2, "Another of your files is being read. Wait until it is finished.",
    "Files of other people are being read right now. Try again in a minute.",
)  # fmt: skip


def hold_export(response: Response, who: uuid.UUID | None) -> Response:
    """Occupy a slot for downloads until the last byte is sent. Raises Conflict if none is free.

    There are fewer slots than pooled connections, and they are separate from those of other requests, so that slow
    downloads block nobody.
    """
    exports.take(who)
    response.call_on_close(lambda: exports.give_back(who))
    return response
