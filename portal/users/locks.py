"""Whom do wrong passwords hold back, and who ends that?"""

from __future__ import annotations

import uuid

from sqlalchemy import select

from portal.core import history, throttle
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.db import acting_as, command, db, locked
from portal.users import queries
from portal.users.models import User
from portal.web.throttle import holding_back


def unlock(user_id: uuid.UUID) -> str:
    """Let a person try to sign in again at once, from whatever device, after too many wrong passwords.

    Returns the person's name. Missing.
    """
    actor = current_actor()
    db.session.rollback()  # no connection waits for another
    with acting_as(SYSTEM):
        return _unlock(user_id, actor)


@command
def _unlock(user_id: uuid.UUID, by: Actor) -> str:
    user = locked(queries.reached_by(by, user_id))
    counters = holding_back(user.email, user_id)
    if any(throttle.wait(one) for one in counters):
        throttle.forgive(counters)
        history.record("unlock", by=by, about=user.id, tenant=user.seen_by)
    return user.name


def is_held_back(user_id: uuid.UUID) -> bool:
    """Whether too many wrong passwords keep a person from signing in on a new device."""
    with acting_as(SYSTEM):
        email = db.session.scalar(select(User.email).where(User.id == user_id))
        return email is not None and any(throttle.wait(one) for one in holding_back(email, user_id))
