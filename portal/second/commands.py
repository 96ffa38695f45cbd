"""How does an administrator reset somebody's two-step sign-in?"""

from __future__ import annotations

import uuid

from portal.core import history
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Conflict, NotAllowed
from portal.factors import commands as factors
from portal.mail.commands import send_later
from portal.tokens.commands import revoke_all
from portal.users import queries

YOURSELF = "You take your own two-step sign-in away in your account, where your password is asked for."


def reset(user_id: uuid.UUID) -> str:
    """Take away all that somebody else has set up; every sign-in of theirs ends. Returns the name.

    What was long enough beside a second step may be too short alone, so another password is asked for.
    Missing, NotAllowed; Conflict for oneself.
    """
    actor = current_actor()
    if user_id == actor.id:
        raise Conflict(None, YOURSELF)
    db.session.rollback()  # no connection waits for another
    with acting_as(SYSTEM):
        return _reset(user_id, actor)


@command
def _reset(user_id: uuid.UUID, by: Actor) -> str:
    user = locked(queries.reached_by(by, user_id))
    if not user.may_be_changed_by(by):
        raise NotAllowed
    if factors.remove_all(user_id):
        history.credit(by)
        history.record("second_factor_reset", by=by, about=user_id, tenant=user.seen_by)
        user.must_change_password = True
        revoke_all(user_id)
        send_later("second_factor_reset", user_id)
    return user.name
