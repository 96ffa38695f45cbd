"""Show and lift the rate limits on a person's sign-in."""

from __future__ import annotations

import uuid

from sqlalchemy import bindparam, select

from portal.core import rate_limit
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, read
from portal.core.scoping import kept
from portal.users.actions import UNLOCK
from portal.users.behalf import Record, on_behalf
from portal.users.models import User
from portal.web.attempts import blocking_sign_in

EMAIL = kept(select(User.email).where(User.id == bindparam("user_id")))


def unlock(user_id: uuid.UUID) -> str:
    """Lift a person's rate limit after too many wrong passwords, so that they can sign in again from any device.

    Returns the person's name. Raises Missing.
    """
    return on_behalf(user_id, _unlock)


def _unlock(user: User, record: Record) -> str:
    counters = blocking_sign_in(user.email, user.id)
    if rate_limit.wait(*counters):
        rate_limit.forgive(counters)
        record(UNLOCK)
    return user.name


def is_rate_limited(user_id: uuid.UUID) -> bool:
    """Whether too many wrong passwords prevent a person from signing in on a new device."""
    with acting_as(SYSTEM):
        found = read(EMAIL, {"user_id": user_id})
        return bool(found) and rate_limit.wait(*blocking_sign_in(found[0].email, user_id)) > 0
