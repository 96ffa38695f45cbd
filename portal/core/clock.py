"""The current time, and the reader's time zone. The only source of time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, date, datetime, tzinfo

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)
_stopped: ContextVar[datetime | None] = ContextVar("stopped", default=None)


def now() -> datetime:
    """The current time, in UTC."""
    return _stopped.get() or datetime.now(UTC)


@contextmanager
def stopped() -> Iterator[None]:
    """Stop the clock, so that pages rendered one after the other show the same times. PostgreSQL's clock continues."""
    token = _stopped.set(now())
    try:
        yield
    finally:
        _stopped.reset(token)


def read_day(text: str) -> date | None:
    """The day in a text such as `2030-12-31`; None if there is no such day."""
    try:
        return date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        return None


def zone() -> tzinfo:
    """The reader's time zone; UTC unless they chose another."""
    return _zone.get()


def bind_zone(zone: tzinfo) -> Token[tzinfo]:
    """Bind the reader's time zone until `unbind_zone`. web/session.py calls it once per request."""
    return _zone.set(zone)


def unbind_zone(token: Token[tzinfo]) -> None:
    _zone.reset(token)


def local(then: datetime) -> datetime:
    """A time in the reader's time zone."""
    return then.astimezone(zone())
