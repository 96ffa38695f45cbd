"""Which sign-ins are there?"""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnElement, Select, func, literal, select

from portal.core.clock import now
from portal.core.listing import Rows
from portal.tokens.models import ApiToken, RefreshToken, SignIn

ROTATIONS_BOUND = 1_000


def is_live() -> ColumnElement[bool]:
    """Neither ended nor expired."""
    return SignIn.ended_at.is_(None) & (SignIn.expires_at > now())


def live_of(user_id: uuid.UUID) -> Select[int]:
    """How many sign-ins a person has now, those too that began under another tenant."""
    return select(func.count(SignIn.id)).where(SignIn.user_id == user_id, is_live()).execution_options(all_tenants=True)


def latest_of(user_id: uuid.UUID, most: int) -> Rows:
    """The sign-ins that a person has now, used last first; in `total` how many there are, in `rotations` how often
    its token was renewed, stopped one above ROTATIONS_BOUND."""
    family = select(literal(1)).where(RefreshToken.family_id == SignIn.id).limit(ROTATIONS_BOUND + 2)
    tokens = select(func.count()).select_from(family.correlate(SignIn).lateral()).scalar_subquery()
    columns = (SignIn.id, SignIn.is_browser, SignIn.is_kept, SignIn.address, SignIn.agent, SignIn.created_at)
    found = select(
        *columns,
        SignIn.used_at,
        SignIn.expires_at,
        func.greatest(tokens - 1, 0).label("rotations"),
        func.count().over().label("total"),
    )
    mine = found.where(SignIn.user_id == user_id, is_live()).order_by(SignIn.used_at.desc(), SignIn.id.desc())
    return mine.limit(most).execution_options(all_tenants=True)


def agent_of(user_id: uuid.UUID, sign_in_id: uuid.UUID) -> Select[str]:
    """What a person signed in with, if that is theirs; ended or not."""
    mine = select(SignIn.agent).where(SignIn.user_id == user_id, SignIn.id == sign_in_id)
    return mine.execution_options(all_tenants=True)


def is_usable() -> ColumnElement[bool]:
    """Of a person's API token: neither revoked nor expired."""
    return ApiToken.revoked_at.is_(None) & (ApiToken.expires_at > now())


def api_tokens_of(user_id: uuid.UUID) -> Select[ApiToken]:
    """A person's own that can be used, newest first."""
    return select(ApiToken).where(ApiToken.user_id == user_id, is_usable()).order_by(ApiToken.id.desc())


def api_tokens_in_use(user_id: uuid.UUID) -> Select[int]:
    """How many a person has, those too that were made under another tenant: what ends them says how many these are."""
    mine = select(func.count(ApiToken.id)).where(ApiToken.user_id == user_id, is_usable())
    return mine.execution_options(all_tenants=True)
