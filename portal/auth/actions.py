"""Actions recorded at sign-in, at sign-out, and when emailed links are used."""

from __future__ import annotations

from portal.core.actions import Action
from portal.mfa.words import called

SIGN_IN = Action(
    "sign_in", "signed in", "Signed in", "login", verb_with="signed in with {means}", worded=called,
    is_sign_in=True, is_own=True,
)  # fmt: skip
SIGN_OUT = Action("sign_out", "signed out", "Signed out", "logout", is_sign_in=True, is_own=True)
SIGN_IN_FAILED = Action(
    "sign_in_failed", "failed to sign in", "Failed to sign in", "alert-triangle", "as",
    is_sign_in=True, is_attempt=True, is_counted=True,
)  # fmt: skip
RATE_LIMITED = Action(
    "rate_limited", "entered too many wrong passwords or codes for", "Too many failed attempts", "alert-triangle",
    is_sign_in=True, is_attempt=True, is_counted=True,
)  # fmt: skip
TWO_FACTOR_FAILED = Action(
    "two_factor_failed", "failed two-factor authentication", "Failed two-factor authentication", "alert-triangle", "as",
    is_sign_in=True, is_attempt=True, is_counted=True,
)  # fmt: skip
INVITATION_ACCEPTED = Action(
    "invitation_accepted", "accepted the invitation, chose a password and signed in", "Accepted an invitation", "login",
    covers=2, is_own=True,
)  # fmt: skip
RESET_ASKED = Action(
    "reset_asked", "requested a link to choose a new password for", "Requested a password link", "key", is_attempt=True
)
RESET_USED = Action(
    "reset_used", "chose a new password with the emailed link", "Used a password link", "key", covers=1, is_own=True
)
VIEW_BEGUN = Action(
    "view_begun", "started viewing the portal as", "Viewed as another person", "login",
    verb_with="started viewing the portal as {users} for up to {limit}", worded=str,
)  # fmt: skip
VIEW_ENDED = Action(
    "view_ended", "stopped viewing the portal as", "Stopped viewing as another person", "logout",
    verb_with="stopped viewing the portal as {users} {when}", worded=str,
)  # fmt: skip

ACTIONS = (
    SIGN_IN, SIGN_OUT, SIGN_IN_FAILED, RATE_LIMITED, TWO_FACTOR_FAILED, INVITATION_ACCEPTED, RESET_ASKED, RESET_USED,
    VIEW_BEGUN, VIEW_ENDED,
)  # fmt: skip
