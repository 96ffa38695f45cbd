"""What do the letters say? Each is written when it is sent, for whoever the person is by then."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import Row, select

from portal.core.db import db
from portal.core.history import Activity
from portal.mail.letters import Letter, Writer
from portal.users import links
from portal.users.models import full_name, invitation_of

NOT_YOU = "If that was not you, set a new password at once, and tell your administrator."
UNASKED = "If you did not ask for this, you need do nothing."
Found = Row[Any]


def invitation(user_id: uuid.UUID, _event: int | None) -> Letter | None:
    """To somebody who has not accepted yet."""
    found = links.person(user_id)
    if found is None or invitation_of(found) != "pending":
        return None
    where = f"Portal for {found.organization_name}" if found.organization_name else "Portal"
    return Letter(
        recipient=found.email,
        subject="Your invitation to Portal",
        greeting=_greeting(found),
        said=(f"You are invited to {where}. Choose a password, and you are in.",),
        link=links.address(found, links.INVITATION),
        verb="Accept the invitation",
        said_after=("The link works once, for 7 days.", "If you know nothing of this, you need do nothing."),
    )


def password_reset(user_id: uuid.UUID, _event: int | None) -> Letter | None:
    """To somebody who asked for it, or for whom an administrator did; who still waits for an invitation gets none."""
    found = links.person(user_id)
    if found is None or invitation_of(found) not in (None, "accepted"):
        return None
    return Letter(
        recipient=found.email,
        subject="Choose a new password",
        greeting=_greeting(found),
        said=("Here you choose a new password for Portal. All your sign-ins end with that.",),
        link=links.address(found, links.RESET),
        verb="Choose a new password",
        said_after=(
            "The link works once, for 15 minutes. Later you can ask for another on the sign-in page.",
            UNASKED,
        ),
    )


def verification(user_id: uuid.UUID, _event: int | None) -> Letter | None:
    """To the address that is to be confirmed."""
    found = links.person(user_id)
    if found is None or (found.email_verified and found.pending_email is None):
        return None
    return Letter(
        recipient=found.pending_email or found.email,
        subject="Confirm your e-mail address",
        greeting=_greeting(found),
        said=("Please confirm that this address is yours, so that Portal can use it for your account.",),
        link=links.address(found, links.VERIFICATION),
        verb="Confirm the address",
        said_after=("The link works once, for 24 hours.", "If you know nothing of this, you need do nothing."),
    )


def email_changed(user_id: uuid.UUID, event: int | None) -> Letter | None:
    """To the former address, which the event knows unless its values were erased."""
    wanted = select(Activity.changes).where(Activity.id == event, Activity.row_id == user_id)
    changes = db.session.scalar(wanted) if event is not None else None
    found = links.person(user_id)
    if found is None or not changes:
        return None
    return Letter(
        recipient=changes["email"][0],
        subject="Your e-mail address was changed",
        greeting=_greeting(found),
        said=(
            "The e-mail address of your Portal account was changed. Letters go to the new one from now on.",
            "If that was not you, tell your administrator at once.",
        ),
    )


def notice(subject: str, *said: str) -> Writer:
    """Letters that tell of something done, to the person's own address."""

    def write(user_id: uuid.UUID, _event: int | None) -> Letter | None:
        found = links.person(user_id)
        return Letter(found.email, subject, _greeting(found), said) if found else None

    return write


def _greeting(found: Found) -> str:
    return f"Hello {full_name(found.first_name, found.last_name, found.email)},"


WRITERS: dict[str, Writer] = {
    "invitation": invitation,
    "password_reset": password_reset,
    "verification": verification,
    "email_changed": email_changed,
    "password_changed": notice(
        "Your password was changed",
        "The password of your Portal account was changed, and every other sign-in has ended.",
        NOT_YOU,
    ),
    "second_factor_changed": notice(
        "Your second factor was changed",
        "The second factor that protects your Portal account was changed.",
        NOT_YOU,
    ),
    "replay": notice(
        "A program of yours was signed out",
        "Somebody used a sign-in of your Portal account a second time, which happens when it was copied."
        " That sign-in has ended; programs that used it sign in anew.",
        NOT_YOU,
    ),
}
