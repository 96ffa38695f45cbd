"""How does a sign-in begin and end?"""

from __future__ import annotations

import secrets
import uuid
from datetime import timedelta

from sqlalchemy import ColumnElement, insert, update

from portal.core.clock import now
from portal.core.db import command, db
from portal.core.keys import uuid7
from portal.tokens.models import RefreshToken, digest

BYTES = 32


@command
def open_family(user_id: uuid.UUID, organization_id: uuid.UUID | None, *, lasts: timedelta) -> str:
    """Begin a sign-in. Returns its token, which is stored as a digest only."""
    token = secrets.token_urlsafe(BYTES)
    row = {"id": uuid7(), "token": digest(token), "user_id": user_id, "organization_id": organization_id}
    db.session.execute(insert(RefreshToken), [{**row, "family_id": uuid7(), "expires_at": now() + lasts}])
    return token


@command
def revoke(token: str) -> None:
    """End the sign-in of a token."""
    _revoke(RefreshToken.token == digest(token))


@command
def revoke_all(user_id: uuid.UUID) -> None:
    """End every sign-in of a person whom the caller may change: those too that began under another tenant."""
    _revoke(RefreshToken.user_id == user_id, all_tenants=True)


def _revoke(condition: ColumnElement[bool], *, all_tenants: bool = False) -> None:
    statement = update(RefreshToken).where(condition, RefreshToken.revoked_at.is_(None)).values(revoked_at=now())
    options = {"synchronize_session": False, "all_tenants": all_tenants}
    db.session.execute(statement, execution_options=options)
