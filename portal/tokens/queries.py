"""Which sign-ins are there?"""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnElement, Select, func, select

from portal.core.clock import now
from portal.tokens.models import RefreshToken


def is_live() -> ColumnElement[bool]:
    """Neither ended nor expired."""
    return RefreshToken.revoked_at.is_(None) & (RefreshToken.expires_at > now())


def live_of(user_id: uuid.UUID) -> Select[int]:
    """How many sign-ins a person has now, those too that began under another tenant."""
    return (
        select(func.count(RefreshToken.id))
        .where(RefreshToken.user_id == user_id, is_live())
        .execution_options(all_tenants=True)
    )
