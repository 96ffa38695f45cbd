"""Actions recorded for API clients, besides changes."""

from __future__ import annotations

from portal.core.actions import Action

REPLAY = Action(
    "replay", "reused a refresh token, which ended a session of", "Reused a refresh token", "alert-triangle",
    is_sign_in=True, is_attempt=True,
)  # fmt: skip

ACTIONS = (REPLAY,)
