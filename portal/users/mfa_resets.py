"""Reset another person's two-factor authentication as an administrator."""

from __future__ import annotations

import uuid

from portal.core.actor import current_actor
from portal.core.errors import Conflict
from portal.mail.commands import send_later
from portal.mfa import commands as mfa
from portal.tokens.commands import revoke_all
from portal.users.actions import TWO_FACTOR_RESET
from portal.users.behalf import Record, on_behalf
from portal.users.models import User

YOURSELF = "Remove your own two-factor authentication on your account page, where you enter your password."


def reset(user_id: uuid.UUID) -> str:
    """Remove another person's second factors and end all their sessions. Returns their name.

    They have to choose a new password, because a short one may have been acceptable only with a second factor.
    Raises Missing, NotAllowed; Conflict for one's own account.
    """
    if user_id == current_actor().id:
        raise Conflict(None, YOURSELF)
    return on_behalf(user_id, _reset)


def _reset(user: User, record: Record) -> str:
    if mfa.remove_all(user.id):
        record(TWO_FACTOR_RESET)
        user.must_change_password = True
        revoke_all(user.id)
        send_later("two_factor_reset", user.id)
    return user.name
