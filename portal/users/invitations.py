"""Send an invitation again, revoke it, or create a link to hand over."""

from __future__ import annotations

import uuid
from functools import partial

from portal.core.actions import Action
from portal.core.actor import SYSTEM
from portal.core.clock import now
from portal.core.db import acting_as
from portal.core.errors import Conflict, Missing
from portal.core.rate_limit import Counter
from portal.mail.commands import send_later
from portal.users import links
from portal.users.actions import INVITATION_COPIED, INVITATION_REVOKED, INVITED
from portal.users.behalf import Record, on_behalf
from portal.users.clashes import check_domain
from portal.users.commands import WAITING
from portal.users.models import User

ACCEPTED = "{} already has a password, so there is no invitation to accept."
INACTIVE = "{} is deactivated. Activate the person to send the invitation."


def invite_again(user_id: uuid.UUID, counter: Counter | None = None) -> User:
    """Send a new invitation; older ones stop working. Missing, Conflict; RateLimited if the counter is full."""
    return on_behalf(user_id, partial(_change, INVITED), *([counter] if counter else []))


def revoke(user_id: uuid.UUID) -> User:
    """Revoke the invitation. Missing, Conflict."""
    return on_behalf(user_id, partial(_change, INVITATION_REVOKED))


def link_of(user_id: uuid.UUID) -> tuple[User, str]:
    """A new link to hand over, which doesn't confirm the address. Older ones stop working. Missing, Conflict."""
    user = on_behalf(user_id, partial(_change, INVITATION_COPIED))
    with acting_as(SYSTEM):
        found = links.person(user_id)
        if found is None:
            raise Missing
        return user, links.address(found, links.HANDED)


def check_waiting(user: User) -> None:
    """Raise Conflict unless the person has an invitation that isn't accepted, even if it expired or was revoked."""
    if user.invitation not in WAITING:
        raise Conflict(None, ACCEPTED.format(user.name))


def _change(action: Action, user: User, record: Record) -> User:
    check_waiting(user)
    if not user.is_active and action != INVITATION_REVOKED:
        raise Conflict(None, INACTIVE.format(user.name))
    if action != INVITATION_REVOKED:
        check_domain(user)
    record(action)
    user.link_counter += 1
    if action == INVITATION_REVOKED:
        user.revoked_at = now()
    else:
        user.invited_at, user.revoked_at = now(), None
    if action == INVITED:
        send_later("invitation", user.id)
    return user
