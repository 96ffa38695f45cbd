"""Keys of new rows in forms, signed for the actor, so that sending a form twice creates one row."""

from __future__ import annotations

import uuid

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer

from portal.core.actor import current_actor
from portal.core.keys import uuid7


def signed_row() -> str:
    """A key for a row that this actor will create."""
    return str(_signer().dumps(str(uuid7())))


def read_row(text: str | None) -> uuid.UUID:
    """The key in the form; a new one if it wasn't signed for this actor."""
    try:
        return uuid.UUID(_signer().loads(text or ""))
    except (BadData, ValueError, TypeError, AttributeError):
        return uuid7()


def _signer() -> URLSafeSerializer:
    keys = [*current_app.config.get("SECRET_KEY_FALLBACKS", []), str(current_app.secret_key)]
    return URLSafeSerializer(keys, salt=f"new-row-{current_actor().id}")
