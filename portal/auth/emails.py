"""Write the emails to people. The worker calls these functions when it sends an email, so the data is current."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.dialects.postgresql import array

from portal.auth.queries import newest_event, tokens_ended_by
from portal.core.actor import Role
from portal.core.db import db
from portal.core.email_addresses import readable_email
from portal.core.history import Activity
from portal.mail.message import Email, Writer
from portal.mfa.queries import codes_left
from portal.mfa.words import CODE, MEANS, called
from portal.tokens.words import tokens_ended
from portal.users import links
from portal.users.commands import KILLS_LINKS
from portal.users.models import full_name, invitation_of
from portal.users.queries import admins_to_ask, names_of
from portal.web.agents import browser_of
from portal.web.brand import product
from portal.web.zones import zone_named

NOT_YOU = "If this wasn’t you, set a new password immediately and tell your administrator."
UNASKED = "If you didn’t request this, you can ignore this email."
NAMED = 3  # administrators to contact, named in an email
INVITES = or_(  # events that send an invitation: the actor of the newest one is the inviter
    Activity.action.in_(("create", "invited")), Activity.changes.has_any(array(sorted({*KILLS_LINKS, "is_active"})))
)
Found = Row[Any]


def invitation(user_id: uuid.UUID, _event: int | None) -> Email | None:
    """The email to people who have not accepted yet. The link counter shows whether there were earlier links."""
    found = links.person(user_id)
    if found is None or invitation_of(found) != "pending":
        return None
    where = f"{product()} for {found.organization_name}" if found.organization_name else product()
    by = _inviter(found)
    dead = ("Links from earlier invitations no longer work.",) if found.link_counter else ()
    return Email(
        recipient=found.email,
        subject=f"Your invitation to {product()}",
        greeting=_greeting(found),
        paragraphs=(
            f"{f'{by} invites you' if by else 'You are invited'} to {where}. Choose a password to get started.",
        ),
        link=links.address(found, links.INVITATION),
        verb="Accept invitation",
        closing=("The link works once, for 7 days.", *dead, "If you weren’t expecting this, you can ignore it."),
    )


def _inviter(found: Found) -> str:
    """The inviter's name, if the person may see it: an administrator of their organization, or another super admin."""
    event = db.session.scalars(newest_event(found.id, INVITES)).first()
    if event is None or event.actor_id is None:
        return ""
    is_known = event.actor_role == Role.ADMIN.name or found.role is Role.SUPER_ADMIN
    name = names_of([event.actor_id]).get(event.actor_id) if is_known else None
    return name or "A system administrator"


def password_reset(user_id: uuid.UUID, _event: int | None) -> Email | None:
    """The email to people who requested a reset or whose administrator did, except people who were only invited."""
    found = links.person(user_id)
    if found is None:
        return _whom_to_ask(user_id)
    if invitation_of(found) not in (None, "accepted"):
        return None
    began = db.session.scalars(newest_event(user_id, Activity.action.in_(("reset_asked", "password_reset")))).first()
    paragraphs = [f"You can choose a new password for {product()}. This ends all your sessions and API tokens."]
    unasked: tuple[str, ...] = (UNASKED,)
    if began is not None and began.action == "password_reset":
        paragraphs = [
            "{when} {whom} reset the password of your {product} account. All your sessions have ended.",
            "{tokens}",
        ]
        paragraphs, unasked = [*_filled(paragraphs, began, found), "Choose a new password to sign in again."], ()
    return Email(
        recipient=found.email,
        subject="Choose a new password",
        greeting=_greeting(found),
        paragraphs=paragraphs,
        link=links.address(found, links.RESET),
        verb="Choose new password",
        closing=(
            "The link works once, for 15 minutes. After that, you can request another one on the sign-in page.",
            *unasked,
        ),
    )


def _whom_to_ask(user_id: uuid.UUID) -> Email | None:
    """The email to deactivated people who request a new password. Deleted people get none."""
    found = links.locked_out(user_id)
    if found is None:
        return None
    is_managed = found.organization_name and found.role is not Role.SUPER_ADMIN
    admins = db.session.execute(admins_to_ask(found.organization_id, NAMED)).all() if is_managed else []
    names = [f"{full_name(one.first_name, one.last_name, one.email)} ({readable_email(one.email)})" for one in admins]
    whom = f"{' or '.join(names)}, who administers {found.organization_name}" if names else "a system administrator"
    return Email(
        recipient=found.email,
        subject=f"Your {product()} account is deactivated",
        greeting=_greeting(found),
        paragraphs=(
            f"Someone requested a new password for your {product()} account. The account is deactivated, so a new"
            " password wouldn’t let you in.",
            f"To use it again, ask {whom}.",
        ),
        closing=(UNASKED,),
    )


def verification(user_id: uuid.UUID, _event: int | None) -> Email | None:
    """The email to the address that has to be confirmed."""
    found = links.person(user_id)
    if found is None or (found.email_verified and found.pending_email is None):
        return None
    paragraphs = f"Please confirm that {readable_email(found.email)} is your address."
    if found.pending_email:
        new, present = readable_email(found.pending_email), readable_email(found.email)
        paragraphs = f"Please confirm that {new} is your address."
        paragraphs += f" You will then sign in to {product()} with it instead of {present}."
    return Email(
        recipient=found.pending_email or found.email,
        subject="Confirm your email address",
        greeting=_greeting(found),
        paragraphs=(paragraphs,),
        link=links.address(found, links.VERIFICATION),
        verb="Confirm address",
        closing=("The link works once, for 24 hours.", "If you weren’t expecting this, you can ignore it."),
    )


def email_changed(user_id: uuid.UUID, event: int | None) -> Email | None:
    """The email to the former address, which the event contains unless its values were erased."""
    wanted = select(Activity.changes).where(Activity.id == event, Activity.row_id == user_id)
    changes = db.session.scalar(wanted) if event is not None else None
    found = links.person(user_id)
    if found is None or not changes:
        return None
    return Email(
        recipient=changes["email"][0],
        subject="Your email address was changed",
        greeting=_greeting(found),
        paragraphs=(
            f"The email address of your {product()} account was changed. Emails now go to the new address.",
            "If this wasn’t you, tell your administrator immediately.",
        ),
    )


def notice(subject: str, *paragraphs: str) -> Writer:
    """An email with fixed sentences, to the person's address."""

    def write(user_id: uuid.UUID, _event: int | None) -> Email | None:
        found = links.person(user_id)
        named = [one.format(product=product()) for one in paragraphs]
        return Email(found.email, subject, _greeting(found), named) if found else None

    return write


def about_event(action: str, subject: str, *paragraphs: str, shown: str | None = None) -> Writer:
    """An email about the newest event with this action and, optionally, second factor. `_facts` are placeholders."""
    means = Activity.changes[MEANS][1].astext

    def write(user_id: uuid.UUID, _event: int | None) -> Email | None:
        found = links.person(user_id)
        events = select(Activity).where(Activity.row_id == user_id, Activity.action == action)
        events = events.where(means == shown) if shown else events
        event = db.session.scalars(events.order_by(Activity.at.desc()).limit(1)).first()
        if found is None or event is None:
            return None
        return Email(found.email, subject, _greeting(found), _filled(paragraphs, event, found))

    return write


def password_changed(user_id: uuid.UUID, _event: int | None) -> Email | None:
    """The email about a changed password, with the number of API tokens that ended."""
    found = links.person(user_id)
    event = db.session.scalars(newest_event(user_id, Activity.changes.has_key("password"))).first()
    if found is None:
        return None
    ended = db.session.scalar(tokens_ended_by(event)) if event else 0
    paragraphs = (
        f"The password of your {product()} account was changed, and every other session has ended.",
        tokens_ended(ended),
    )
    return Email(found.email, "Your password was changed", _greeting(found), [*filter(None, paragraphs), NOT_YOU])


def _filled(paragraphs: Iterable[str], event: Activity, found: Found) -> list[str]:
    """The sentences with details of the event filled in, without those that end up empty."""
    facts = _facts(event, found)
    return [filled for sentence in paragraphs if (filled := sentence.format(**facts))]


def _facts(event: Activity, found: Found) -> dict[str, str]:
    at = event.at.astimezone(zone_named(found.time_zone))
    left = db.session.scalar(codes_left(found.id)) or 0
    is_shown = event.actor_id == found.id or event.actor_role == Role.ADMIN.name  # other actors' browsers are private
    browser = f", with {browser_of(event.agent)}," if event.agent and is_shown else ""
    return {
        "product": product(),
        "when": f"On {at.day} {at:%b %Y at %H:%M %Z}{browser}",
        "tokens": tokens_ended(db.session.scalar(tokens_ended_by(event))),
        "what": called(event.changes[MEANS][1]) if event.changes else "an authenticator app or a passkey",
        "whom": _administrator(event),
        "left": f"{left or 'None'} {'is' if left == 1 else 'are'} left",
    }


def _administrator(event: Activity) -> str:
    """The name of an administrator of the same organization. Nobody outside it is named."""
    name = (
        names_of([event.actor_id]).get(event.actor_id)
        if event.actor_id and event.actor_role == Role.ADMIN.name
        else None
    )
    return f"{name}, your administrator," if name else "a system administrator"


def _greeting(found: Found) -> str:
    return f"Hello {full_name(found.first_name, found.last_name, found.email)},"


WRITERS: dict[str, Writer] = {
    "invitation": invitation,
    "password_reset": password_reset,
    "verification": verification,
    "email_changed": email_changed,
    "password_changed": password_changed,
    "two_factor_added": about_event(
        "two_factor_added",
        "Two-factor authentication: a new method was added",
        "{when} {what} was added to your {product} account. You can use it to sign in after your password.",
        "If this wasn’t you, set a new password immediately, remove it in your account, and tell your administrator.",
    ),
    "two_factor_removed": about_event(
        "two_factor_removed",
        "Two-factor authentication: a method was removed",
        "{when} {what} was removed from your {product} account. You can no longer sign in with it.",
        NOT_YOU,
    ),
    "two_factor_reset": about_event(
        "two_factor_reset",
        "Your two-factor authentication was reset",
        "{when} {whom} reset the two-factor authentication of your {product} account.",
        "Your app, passkeys and recovery codes no longer work, and every device was signed out.",
        "{tokens}",
        "Until you set up two-factor authentication again, your password is enough to sign in.",
        "If you didn’t request this, set a new password immediately and contact your administrator.",
    ),
    "recovery_codes_renewed": about_event(
        "recovery_codes_renewed",
        "You have new recovery codes",
        "{when} new recovery codes were created for your {product} account. The former ones no longer work.",
        NOT_YOU,
    ),
    "recovery_code_used": about_event(
        "sign_in",
        "A recovery code was used",
        "{when} one of your recovery codes was used to sign in to your {product} account, after the password. {left}.",
        "You can create new ones in your account, under Two-factor authentication.",
        NOT_YOU,
        shown=CODE,
    ),
    "replay": notice(
        "An app was signed out of your account",
        "A refresh token of your {product} account was used a second time, which can mean that it was copied."
        " Its session has ended; apps that used it have to sign in again.",
        NOT_YOU,
    ),
}
