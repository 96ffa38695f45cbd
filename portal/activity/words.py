"""Names of tables, columns and actions for people who read the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.core.email_addresses import readable_email
from portal.mfa.words import MEANS, called
from portal.resources.resource import resources

VERBS = {
    "create": "created",
    "update": "changed",
    "delete": "deleted",
    "restore": "restored",
    "remove": "removed for good",
    "sign_in": "signed in",
    "sign_out": "signed out",
    "end_session": "ended a sign-in of",
    "end_sessions": "ended all sign-ins of",
    "sign_in_failed": "failed to sign in",
    "rate_limited": "made too many failed attempts at the password of",
    "unlock": "unlocked the sign-in of",
    "invited": "sent the invitation again to",
    "invitation_copied": "made an invitation link for",
    "invitation_revoked": "revoked the invitation of",
    "invitation_accepted": "accepted the invitation, chose a password and signed in",
    "password_reset": "reset the password of",
    "reset_asked": "asked for a link to a new password of",
    "reset_used": "chose a new password by the mailed link",
    "replay": "used a spent token, which ended a sign-in of",
    "token_made": "made an API token",
    "token_revoked": "revoked an API token",
    "two_factor_added": "set up an app or a passkey",
    "two_factor_removed": "removed an app or a passkey",
    "two_factor_reset": "reset the two-step sign-in of",
    "two_factor_failed": "failed the two-step sign-in",
    "recovery_codes_renewed": "made new recovery codes",
    "refused": "was refused access",
    "address_refused": "asked for an address that is in use elsewhere",
    "adopt": "migrated the data of the former backend",
    "seed": "added the demo data",
    "browser_opened": "looked into the table",
    "browser_copied": "copied the row",
    "browser_queried": "queried the database",
    "erase": "erased the values in the history of",
    "prune": "removed events of the history that were too old",
}
ICONS = {
    "create": "plus", "update": "edit", "delete": "trash", "restore": "arrow-back-up", "remove": "trash",
    "sign_in": "login", "sign_out": "logout", "sign_in_failed": "alert-triangle", "rate_limited": "alert-triangle",
    "unlock": "login", "invited": "user-plus", "invitation_copied": "user-plus", "invitation_revoked": "shield",
    "invitation_accepted": "login", "password_reset": "key", "reset_asked": "key", "reset_used": "key",
    "end_session": "logout", "end_sessions": "logout",
    "replay": "alert-triangle", "token_made": "key", "token_revoked": "key",
    "two_factor_added": "shield", "two_factor_removed": "shield",
    "two_factor_reset": "shield", "two_factor_failed": "alert-triangle", "recovery_codes_renewed": "shield",
    "refused": "shield", "address_refused": "shield", "prune": "trash", "erase": "trash",
    "adopt": "plus", "seed": "plus", "browser_opened": "search", "browser_copied": "search",
    "browser_queried": "search",
}  # fmt: skip
ICONS_OF_FIELDS = {"password": "key", "role": "shield"}


def fields() -> dict[str, str]:
    """The columns that people know, of all resources, by what they call them."""
    return {name: label for one in resources().values() for name, label in one.labels.items()}


# Labels of the filter by action.
ACTIONS = {
    "create": "Created",
    "update": "Changed",
    "delete": "Deleted",
    "restore": "Restored",
    "remove": "Removed for good",
    "sign_in": "Signed in",
    "sign_in_failed": "Failed to sign in",
    "rate_limited": "Too many failed attempts",
    "unlock": "Unlocked",
    "sign_out": "Signed out",
    "invited": "Invited again",
    "invitation_copied": "Made an invitation link",
    "invitation_revoked": "Revoked an invitation",
    "invitation_accepted": "Accepted an invitation",
    "password_reset": "Reset a password",
    "reset_asked": "Asked for a new password",
    "reset_used": "Set a password by a link",
    "end_session": "Ended a sign-in",
    "end_sessions": "Ended all sign-ins",
    "replay": "Reused a spent token",
    "token_made": "Made an API token",
    "token_revoked": "Revoked an API token",
    "two_factor_added": "Added an app or a passkey",
    "two_factor_removed": "Removed an app or a passkey",
    "two_factor_reset": "Reset two-step sign-in",
    "two_factor_failed": "Failed two-step sign-in",
    "recovery_codes_renewed": "Made recovery codes",
    "refused": "Refused access",
    "address_refused": "Refused address",
    "adopt": "Migrated data",
    "seed": "Added demo data",
    "browser_opened": "Looked into a table",
    "browser_copied": "Copied a row",
    "browser_queried": "Queried the database",
    "erase": "Erased values",
    "prune": "Pruned the history",
}
TWO_FACTOR_CHANGES = ("two_factor_added", "two_factor_removed", "recovery_codes_renewed")  # by oneself, always
SIGN_INS = (
    "sign_in", "sign_in_failed", "rate_limited", "unlock", "sign_out", "end_session", "end_sessions", "replay",
    *TWO_FACTOR_CHANGES, "two_factor_reset", "two_factor_failed",
)  # fmt: skip

# What a sentence says of a yes or no that became a no, and a yes; and the word between that and whose it is.
TURNS = {
    "is_active": (("deactivated", ""), ("activated", "")),
    "email_verified": (("marked the email as not verified", "for"), ("marked the email as verified", "for")),
    "must_change_password": (("stopped asking for a new password", "of"), ("asked for a new password", "of")),
}

# How many further events of the operation a sentence covers: the new password, and the sign-in.
TELLS_TOO = {"invitation_accepted": 2, "reset_used": 1, "password_reset": 1}
SHOWN = {"sign_in": "signed in with {}", "two_factor_added": "set up {}", "two_factor_removed": "removed {}"}


def verb_of_values(action: str, changes: Mapping[str, Any]) -> tuple[str, str] | None:
    """A verb that tells the values too, and the word between that and whose they are; None for most acts."""
    if action in SHOWN and changes.get(MEANS):
        return SHOWN[action].format(called(changes[MEANS][1])), ""
    if action == "update" and set(changes) == {"pending_email"} and changes["pending_email"]:
        before, after = (readable_email(one or "") for one in changes["pending_email"])
        verb = f"asked for {after} as the new address" if after else f"gave up {before} as the new address"
        return verb, "of"
    return None
