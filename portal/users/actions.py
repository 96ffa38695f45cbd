"""Actions recorded for people, besides changes of their rows."""

from __future__ import annotations

from portal.core.actions import Action

INVITED = Action("invited", "sent the invitation again to", "Sent an invitation again", "user-plus")
INVITATION_COPIED = Action(
    "invitation_copied", "created an invitation link for", "Created an invitation link", "user-plus"
)
INVITATION_REVOKED = Action("invitation_revoked", "revoked the invitation of", "Revoked an invitation", "shield")
PASSWORD_RESET = Action(
    "password_reset", "reset the password of", "Reset a password", "key", covers=1, hides_values=True
)
TWO_FACTOR_RESET = Action(
    "two_factor_reset", "reset two-factor authentication for", "Reset two-factor authentication", "shield",
    is_sign_in=True,
)  # fmt: skip
UNLOCK = Action("unlock", "unlocked sign-in for", "Unlocked sign-in", "login", is_sign_in=True)
END_SESSION = Action("end_session", "ended a session of", "Ended a session", "logout", is_sign_in=True)
END_SESSIONS = Action(
    "end_sessions", "ended all sessions of", "Ended all sessions", "logout", verb_own="ended all other sessions of",
    is_sign_in=True,
)  # fmt: skip
ADDRESS_REFUSED = Action(
    "address_refused", "tried an email address that is in use elsewhere", "Email address in use elsewhere", "shield",
    is_counted=True,
)  # fmt: skip
DATA_DOWNLOADED = Action(
    "data_downloaded", "downloaded the data of", "Downloaded a person’s data", "download",
    verb_own="downloaded the own data of",
)  # fmt: skip
INACTIVITY_WARNED = Action(
    "inactivity_warned", "sent an inactivity warning to", "Sent an inactivity warning", "alert-triangle",
    verb_with="warned {users} by email that accounts are deactivated after {days} without a sign-in", worded=str,
)  # fmt: skip

ACTIONS = (
    INVITED, INVITATION_COPIED, INVITATION_REVOKED, PASSWORD_RESET, TWO_FACTOR_RESET, UNLOCK, END_SESSION, END_SESSIONS,
    ADDRESS_REFUSED, DATA_DOWNLOADED, INACTIVITY_WARNED,
)  # fmt: skip
