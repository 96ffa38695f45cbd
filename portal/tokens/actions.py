"""Actions recorded for API tokens."""

from __future__ import annotations

from portal.core.actions import Action

TOKEN_CREATED = Action("token_created", "created an API token", "Created an API token", "key", is_own=True)
TOKEN_REVOKED = Action("token_revoked", "revoked an API token", "Revoked an API token", "key", is_own=True)

ACTIONS = (TOKEN_CREATED, TOKEN_REVOKED)
