"""How does an administrator invite again, take an invitation back, or hand it over by another way than mail?"""

from __future__ import annotations

import uuid

from portal.core import history, throttle
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Conflict, Missing
from portal.core.throttle import Counter
from portal.mail.commands import send_later
from portal.users import links, queries
from portal.users.commands import WAITING
from portal.users.models import User

ACCEPTED = "{} has a password already, so there is nothing to accept."
INACTIVE = "{} is deactivated. Activating sends the invitation."


def invite_again(user_id: uuid.UUID, counter: Counter | None = None) -> User:
    """Send a new invitation; older ones are dead. Missing, Conflict; Throttled where the counter is full."""
    return _as_system(user_id, "invited", *([counter] if counter else []))


def revoke(user_id: uuid.UUID) -> User:
    """Take the invitation back. Missing, Conflict."""
    return _as_system(user_id, "invitation_revoked")


def link_of(user_id: uuid.UUID) -> tuple[User, str]:
    """A new link to hand over; that does not show whose the address is. Older ones are dead. Missing, Conflict."""
    user = _as_system(user_id, "invitation_copied")
    with acting_as(SYSTEM):
        found = links.person(user_id)
        if found is None:
            raise Missing
        return user, links.address(found, links.HANDED)


def check_waiting(user: User) -> None:
    """Conflict if there is no invitation that could still be accepted, now or once it is sent again."""
    if user.invitation not in WAITING:
        raise Conflict(None, ACCEPTED.format(user.name))


def _as_system(user_id: uuid.UUID, action: str, *counters: Counter) -> User:
    """For somebody whom the actor sees: in one transaction with the event that tells of it."""
    actor = current_actor()
    db.session.rollback()  # no connection waits for another
    with acting_as(SYSTEM):
        throttle.attempt(*counters)
        return _change(user_id, action, actor)


@command
def _change(user_id: uuid.UUID, action: str, by: Actor) -> User:
    user = locked(queries.reached_by(by, user_id))
    check_waiting(user)
    if not user.is_active and action != "invitation_revoked":
        raise Conflict(None, INACTIVE.format(user.name))
    history.credit(by)
    history.record(action, by=by, about=user.id, tenant=user.seen_by)
    user.link_counter += 1
    if action == "invitation_revoked":
        user.revoked_at = now()
    else:
        user.invited_at, user.revoked_at = now(), None
    if action == "invited":
        send_later("invitation", user.id)
    return user
