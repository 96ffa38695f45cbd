"""Deactivate people whose account has expired."""

from __future__ import annotations

import logging
import uuid

from sqlalchemy import or_, select

from portal.core import history
from portal.core.actor import SYSTEM, Actor, Role
from portal.core.clock import now
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Busy, Conflict, Missing
from portal.core.history import Activity
from portal.users import queries
from portal.users.commands import users
from portal.users.models import User

log = logging.getLogger("portal")


def deactivate_expired() -> int:
    """Deactivate people after the last day of their access. Returns how many."""
    with acting_as(SYSTEM):
        due = db.session.scalars(select(User.id).where(User.is_active, User.expires_on < now().date())).all()
        return sum(map(_tried, due))


def _tried(user_id: uuid.UUID) -> bool:
    try:
        return _deactivated(user_id)
    except (Busy, Conflict, Missing) as error:
        log.warning("an expired account was not deactivated: %s", type(error).__name__)
        return False


@command
def _deactivated(user_id: uuid.UUID) -> bool:
    """Deactivate a person on behalf of whoever set the date, unless the date was changed in the meantime."""
    user = locked(queries.by_id(user_id))
    if not (user.is_active and user.is_expired):
        return False
    history.credit(_set_by(user))
    users.change(user, {"is_active": False})
    return True


def _set_by(user: User) -> Actor:
    """Who set the date: the last change of it, else the creation of the person."""
    about = Activity.table_name == User.__tablename__, Activity.row_id == user.id
    sets = or_(Activity.changes.has_key("expires_on"), Activity.action == "create")
    found = select(Activity.actor_id, Activity.actor_role).where(*about, sets).order_by(Activity.id.desc()).limit(1)
    row = db.session.execute(found).first()
    if row is None or row.actor_id is None or row.actor_role not in Role.__members__:
        return SYSTEM
    return Actor(row.actor_id, Role[row.actor_role], None)
