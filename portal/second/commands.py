"""How does an administrator reset somebody's two-step sign-in?"""

from __future__ import annotations

import uuid

from portal.core import history
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Conflict, Missing, NotAllowed
from portal.factors import commands as factors
from portal.mail.commands import send_later
from portal.tokens.commands import revoke_all
from portal.users import queries
from portal.users.models import User

YOURSELF = "You take your own two-step sign-in away in your account, where your password is asked for."


def reset(user_id: uuid.UUID) -> str:
    """Take away all that somebody else has set up; every sign-in of theirs ends. Returns the name.

    Missing, NotAllowed; Conflict for oneself.
    """
    user, actor = db.session.scalar(queries.by_id(user_id)), current_actor()
    if user is None:
        raise Missing
    if not user.may_be_changed_by(actor):
        raise NotAllowed
    if user.id == actor.id:
        raise Conflict(None, YOURSELF)
    name, person = user.name, Actor(user.id, user.role, user.organization_id)
    db.session.rollback()  # no connection waits for another
    with acting_as(SYSTEM):
        _reset(user_id, person, actor)
    return name


@command
def _reset(user_id: uuid.UUID, person: Actor, by: Actor) -> None:
    """As the system, unless the person became somebody else's, or more powerful, since `by` was seen to be allowed."""
    tenant = User.organization_id.is_not_distinct_from(person.organization_id)
    locked(queries.by_id(user_id).where(tenant, User.role == person.role))
    if factors.remove_all(user_id):
        revoke_all(user_id)
        history.record("second_factor_reset", by=by, about=user_id, tenant=person.seen_by)
        send_later("second_factor_reset", user_id)
