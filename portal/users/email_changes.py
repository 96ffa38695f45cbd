"""Change and confirm email addresses. A new one takes effect once it is confirmed with the emailed link."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from portal.core import rate_limit
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Conflict, Missing
from portal.core.rate_limit import Counter
from portal.mail.commands import send_later
from portal.users import queries
from portal.users.models import User

VERIFIED = "This address is already confirmed."

R = TypeVar("R")
_is_counted: ContextVar[bool] = ContextVar("is_counted", default=True)


class Uncounted(Exception):
    """The change would send an email that hasn't been counted."""


def ask_for(user_id: uuid.UUID, email: str, counter: Counter) -> None:
    """Request a new address, which takes effect once it is confirmed. Raises RateLimited, because it sends an email."""
    _count(counter)
    _ask_for(user_id, email)


@command
def _ask_for(user_id: uuid.UUID, email: str) -> None:
    user = locked(queries.by_id(user_id))
    if user.email == email:
        raise Conflict("email", "This is already your address.")
    user.pending_email = email
    send_later("verification", user.id)


@command
def cancel(user_id: uuid.UUID) -> User:
    """Keep the current address. The link to the new one stops working."""
    user = locked(queries.by_id(user_id))
    user.pending_email = None
    return user


def send_verification(user_id: uuid.UUID, counter: Counter) -> User:
    """Send the link again, to the new address if there is one. Raises Missing, Conflict, RateLimited."""
    user = db.session.scalar(queries.by_id(user_id))
    if user is None:
        raise Missing
    if user.email_verified and user.pending_email is None:
        raise Conflict(None, VERIFIED)
    _count(counter)
    send_later("verification", user_id)
    return user


def _count(counter: Counter) -> None:
    db.session.rollback()  # don't hold a connection while waiting for another
    with acting_as(SYSTEM):
        rate_limit.attempt(counter)


def counting(counter: Counter | None, change: Callable[[], R]) -> R:
    """Run a change. If it sends an email, `must_be_counted` stops it, the email is counted, and the change runs again.

    Only the system may count, and only outside the change. Raises RateLimited, and changes nothing, after too many.
    """
    if counter is None:
        return change()
    waiting = _is_counted.set(False)
    try:
        return change()
    except Uncounted:
        pass
    finally:
        _is_counted.reset(waiting)
    _count(counter)
    return change()


def must_be_counted() -> None:
    """Called before sending: raise Uncounted unless the email was counted or needn't be."""
    if not _is_counted.get():
        raise Uncounted
