"""Which sign-ins are there?"""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnElement, Select, func, select

from portal.core.clock import now
from portal.tokens.models import ApiToken, SignIn


def is_live() -> ColumnElement[bool]:
    """Neither ended nor expired."""
    return SignIn.ended_at.is_(None) & (SignIn.expires_at > now())


def live_of(user_id: uuid.UUID) -> Select[int]:
    """How many sign-ins a person has now, those too that began under another tenant."""
    return select(func.count(SignIn.id)).where(SignIn.user_id == user_id, is_live()).execution_options(all_tenants=True)


def is_usable() -> ColumnElement[bool]:
    """Of a person's API token: neither revoked nor expired."""
    return ApiToken.revoked_at.is_(None) & (ApiToken.expires_at > now())


def api_tokens_of(user_id: uuid.UUID) -> Select[ApiToken]:
    """A person's own that can be used, newest first."""
    return select(ApiToken).where(ApiToken.user_id == user_id, is_usable()).order_by(ApiToken.id.desc())
