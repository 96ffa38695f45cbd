"""Activate and deactivate people on the dates that were set for them."""

from __future__ import annotations

import logging
import uuid

from sqlalchemy import ColumnElement, and_, or_, select

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


def carry_out() -> int:
    """Activate people on the first day of their access, and deactivate them after the last. Returns how many."""
    with acting_as(SYSTEM):
        due = db.session.scalars(select(User.id).where(or_(_is_to_end(), _is_to_begin()))).all()
        return sum(map(_tried, due))


def _is_to_end() -> ColumnElement[bool]:
    return and_(User.is_active, User.expires_on < now().date())


def _is_to_begin() -> ColumnElement[bool]:
    today = now().date()
    return and_(~User.is_active, User.activates_on <= today, or_(User.expires_on.is_(None), User.expires_on >= today))


def _tried(user_id: uuid.UUID) -> bool:
    try:
        return _carried_out(user_id)
    except (Busy, Conflict, Missing) as error:
        log.warning("an account was not activated or deactivated: %s", type(error).__name__)
        return False


@command
def _carried_out(user_id: uuid.UUID) -> bool:
    """Do it on behalf of whoever set the date, unless the date was changed in the meantime."""
    user = locked(queries.by_id(user_id))
    if user.is_active and user.is_expired:
        name = "expires_on"
    elif not user.is_active and user.activates_on and user.activates_on <= now().date() and not user.is_expired:
        name = "activates_on"
    else:
        return False
    history.credit(_set_by(user, name))
    users.change(user, {"is_active": name == "activates_on"})
    return True


def _set_by(user: User, name: str) -> Actor:
    """Who set the date: the last change of it, else the creation of the person."""
    about = Activity.table_name == User.__tablename__, Activity.row_id == user.id
    sets = or_(Activity.changes.has_key(name), Activity.action == "create")
    found = select(Activity.actor_id, Activity.actor_role).where(*about, sets).order_by(Activity.id.desc()).limit(1)
    row = db.session.execute(found).first()
    if row is None or row.actor_id is None or row.actor_role not in Role.__members__:
        return SYSTEM
    return Actor(row.actor_id, Role[row.actor_role], None)
