"""Actions recorded when second factors change."""

from __future__ import annotations

from portal.core.actions import Action
from portal.mfa.words import called

TWO_FACTOR_ADDED = Action(
    "two_factor_added", "set up an authenticator app or a passkey", "Set up an authenticator app or a passkey",
    "shield", verb_with="set up {means}", worded=called, is_sign_in=True, is_own=True,
)  # fmt: skip
TWO_FACTOR_REMOVED = Action(
    "two_factor_removed", "removed an authenticator app or a passkey", "Removed an authenticator app or a passkey",
    "shield", verb_with="removed {means}", worded=called, is_sign_in=True, is_own=True,
)  # fmt: skip
RECOVERY_CODES_RENEWED = Action(
    "recovery_codes_renewed", "created new recovery codes", "Created recovery codes", "shield",
    is_sign_in=True, is_own=True,
)  # fmt: skip

ACTIONS = (TWO_FACTOR_ADDED, TWO_FACTOR_REMOVED, RECOVERY_CODES_RENEWED)
