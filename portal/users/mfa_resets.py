"""Reset another person's two-factor authentication as an administrator."""

from __future__ import annotations

import uuid

from portal.core.actor import current_actor
from portal.core.errors import Conflict
from portal.mail.commands import send_later
from portal.mfa import commands as mfa
from portal.tokens.commands import revoke_all
from portal.users.behalf import Record, on_behalf
from portal.users.models import User

YOURSELF = "You take your own two-step sign-in away in your account, where your password is asked for."


def reset(user_id: uuid.UUID) -> str:
    """Take away all that somebody else has set up; every sign-in of theirs ends. Returns the name.

    What was long enough beside a second step may be too short alone, so another password is asked for.
    Missing, NotAllowed; Conflict for oneself.
    """
    if user_id == current_actor().id:
        raise Conflict(None, YOURSELF)
    return on_behalf(user_id, _reset)


def _reset(user: User, record: Record) -> str:
    if mfa.remove_all(user.id):
        record("two_factor_reset")
        user.must_change_password = True
        revoke_all(user.id)
        send_later("two_factor_reset", user.id)
    return user.name
