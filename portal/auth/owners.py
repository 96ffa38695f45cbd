"""The owners of jobs, as far as they can still sign in."""

from __future__ import annotations

import uuid

from portal.auth import queries
from portal.auth.commands import actor_of
from portal.core.actor import SYSTEM, Actor
from portal.core.db import acting_as, db


def owner_of(user_id: uuid.UUID) -> Actor | None:
    """The person with their current role and organization. None if they can't sign in."""
    with acting_as(SYSTEM):
        person = db.session.execute(queries.by_id(user_id)).first()
    return actor_of(person) if person else None
