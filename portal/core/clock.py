"""The current time, and the reader's time zone. The only source of time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime, tzinfo

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
