"""Redeem emailed links. Opening one changes nothing; sending its form does."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from portal.auth.actions import INVITATION_ACCEPTED, RESET_ASKED, RESET_USED
from portal.auth.commands import note_sign_in, signed_in
from portal.auth.queries import anybody
from portal.core import history, rate_limit
from portal.core.actions import Action
from portal.core.actor import SYSTEM, Actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.errors import Conflict
from portal.core.keys import uuid7
from portal.core.rate_limit import Counter
from portal.mail.commands import send_later
from portal.tokens import commands as tokens
from portal.tokens.commands import Lifetime
from portal.tokens.queries import api_tokens_in_use
from portal.users import links, passwords
from portal.users.clashes import KEY
from portal.users.models import User
from portal.web.session import SignedIn

TAKEN = "This address is now used by someone else. Choose another one in your account."


def opened(token: str, purposes: Sequence[str]) -> Row[Any]:
    """The owner of the link. Raises DeadLink."""
    with acting_as(SYSTEM):
        return links.read(token, purposes)[1]


def api_tokens_of(user_id: uuid.UUID) -> int:
    """How many API tokens would end if the link's owner changed their password."""
    with acting_as(SYSTEM):
        return db.session.scalar(api_tokens_in_use(user_id)) or 0


def accept(token: str, password: str, *, lifetime: Lifetime) -> SignedIn | None:
    """Accept an invitation by choosing a password, and sign in. Raises DeadLink."""
    opened(token, links.INVITATIONS)
    hashed = passwords.hash_password(password)
    with acting_as(SYSTEM):
        return signed_in(_accept(token, hashed, lifetime))


@command
def _accept(token: str, hashed: str, lifetime: Lifetime) -> str:
    purpose, user, found = links.redeem(token, links.INVITATIONS)
    _credit(user, INVITATION_ACCEPTED)
    user.accepted_at = now()
    _set_password(user, found, hashed, has_proved_address=purpose == links.INVITATION)
    if not user.email_verified:
        send_later("verification", user.id)
    db.session.flush()  # signing in doesn't change the person, so it is written separately
    note_sign_in(_actor(user))
    return tokens.open_session(user.id, user.organization_id, lifetime=lifetime)


def ask_for_reset(email: str, counters: Sequence[Counter]) -> None:
    """Email a reset link to the person with this address. Raises RateLimited.

    Unknown addresses cause the same work, but their job sends nothing. Deactivated people get an email with the people
    to contact.
    """
    with acting_as(SYSTEM):
        rate_limit.attempt(*counters)
        _ask_for_reset(email)


@command
def _ask_for_reset(email: str) -> None:
    found = db.session.execute(anybody(email)).first()
    about, tenant = (found.id, Actor(found.id, found.role, found.organization_id).seen_by) if found else (None, None)
    history.record(RESET_ASKED, about=about, tenant=tenant)
    send_later("password_reset", found.id if found else uuid7())


def reset(token: str, password: str) -> uuid.UUID:
    """Set a new password with a link. All sessions end. Raises DeadLink."""
    opened(token, (links.RESET,))
    hashed = passwords.hash_password(password)
    with acting_as(SYSTEM):
        return _reset(token, hashed)


@command
def _reset(token: str, hashed: str) -> uuid.UUID:
    _, user, found = links.redeem(token, (links.RESET,))
    _credit(user, RESET_USED)
    _set_password(user, found, hashed, has_proved_address=True)
    send_later("password_changed", user.id)
    return user.id


def _set_password(user: User, found: Row[Any], hashed: str, *, has_proved_address: bool) -> None:
    user.password, user.must_change_password = hashed, False
    user.email_verified = found.email_verified or has_proved_address
    tokens.revoke_all(user.id)


def confirm_address(token: str) -> str:
    """Confirm the address to which the link was emailed, and return it. Raises DeadLink, Conflict."""
    with acting_as(SYSTEM):
        try:
            return _confirm_address(token)
        except Conflict as conflict:
            message = TAKEN if conflict.constraint == KEY else conflict.message
            raise Conflict(None, message, constraint=conflict.constraint) from None


@command
def _confirm_address(token: str) -> str:
    _, user, found = links.redeem(token, (links.VERIFICATION,))
    history.credit(_actor(user))
    user.email_verified = True
    if found.pending_email:
        user.email, user.pending_email = found.pending_email, None
        send_later("email_changed", user.id)
    return user.email


def _credit(user: User, action: Action) -> None:
    """Record the person as the actor, although the system makes the change."""
    history.credit(_actor(user))
    history.record(action, by=_actor(user), about=user.id)


def _actor(user: User) -> Actor:
    return Actor(user.id, user.role, user.organization_id)
