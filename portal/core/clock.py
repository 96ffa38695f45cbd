"""What time is it, and where does the reader's clock go? The only source of time."""

from contextvars import ContextVar, Token
from datetime import UTC, datetime, tzinfo

_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


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
