"""How does an administrator have somebody choose another password?"""

from __future__ import annotations

import uuid

from portal.core import history, throttle
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Conflict
from portal.core.throttle import Counter
from portal.mail.commands import send_later
from portal.tokens.commands import revoke_all
from portal.users import queries
from portal.users.commands import WAITING
from portal.users.models import User

YOURSELF = "You change your own password in your account, where the current one is asked for."


def reset_password(user_id: uuid.UUID, counter: Counter | None = None) -> User:
    """Take somebody else's password away, and send a link to choose another to whoever may sign in.

    Every sign-in and API token ends. The history names the administrator, also where there was no password to take.
    Missing, Conflict; Throttled where the counter is full.
    """
    actor = current_actor()
    if user_id == actor.id:
        raise Conflict(None, YOURSELF)
    db.session.rollback()  # no connection waits for another
    with acting_as(SYSTEM):
        throttle.attempt(*([counter] if counter else []))
        return _reset(user_id, actor)


@command
def _reset(user_id: uuid.UUID, by: Actor) -> User:
    user = locked(queries.reached_by(by, user_id))
    if user.invitation in WAITING:
        raise Conflict(None, f"{user.name} has no password yet. Send the invitation again instead.")
    history.credit(by)
    history.record("password_reset", by=by, about=user.id, tenant=user.seen_by)
    user.password, user.must_change_password = None, True
    revoke_all(user.id)
    if user.is_active:
        send_later("password_reset", user.id)
    return user
