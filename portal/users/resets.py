"""Reset another person's password as an administrator."""

from __future__ import annotations

import uuid

from portal.core.actor import current_actor
from portal.core.errors import Conflict
from portal.core.rate_limit import Counter
from portal.mail.commands import send_later
from portal.tokens.commands import revoke_all
from portal.users.actions import PASSWORD_RESET
from portal.users.behalf import Record, on_behalf
from portal.users.commands import WAITING
from portal.users.models import User

YOURSELF = "Change your own password on your account page, where you enter the current one."


def reset_password(user_id: uuid.UUID, counter: Counter | None = None) -> User:
    """Remove another person's password, and email them a link to choose a new one if they are active.

    Every session and API token ends. The history names the administrator, even if there was no password to remove.
    Raises Missing, Conflict; RateLimited if the counter is full.
    """
    if user_id == current_actor().id:
        raise Conflict(None, YOURSELF)
    return on_behalf(user_id, _reset, *([counter] if counter else []))


def _reset(user: User, record: Record) -> User:
    if user.invitation in WAITING:
        raise Conflict(None, f"{user.name} has no password yet. Send the invitation again instead.")
    record(PASSWORD_RESET)
    user.password, user.must_change_password = None, True
    revoke_all(user.id)
    if user.is_active:
        send_later("password_reset", user.id)
    return user
