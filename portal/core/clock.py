"""What time is it, and where does the reader's clock go? The only source of time."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from datetime import UTC, datetime, tzinfo

_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)
_stopped: ContextVar[datetime | None] = ContextVar("stopped", default=None)


def now() -> datetime:
    """The present moment, in UTC."""
    return _stopped.get() or datetime.now(UTC)


@contextmanager
def stopped() -> Iterator[None]:
    """Stop the clock, so that pages made one after the other tell the same times. PostgreSQL's clock goes on."""
    token = _stopped.set(now())
    try:
        yield
    finally:
        _stopped.reset(token)


def zone() -> tzinfo:
    """Where days begin and times are told for whoever reads: UTC unless they chose another."""
    return _zone.get()


def read_in(zone: tzinfo) -> Token[tzinfo]:
    """Until `read_on`; web/session.py calls it once a request."""
    return _zone.set(zone)


def read_on(token: Token[tzinfo]) -> None:
    _zone.reset(token)


def local(then: datetime) -> datetime:
    """A moment as the reader's clock shows it."""
    return then.astimezone(zone())
