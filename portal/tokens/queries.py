"""Queries for sessions and API tokens."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, literal, select

from portal.core.bulk import among
from portal.core.clock import now
from portal.core.db import read
from portal.core.listing import Rows
from portal.core.scoping import kept
from portal.tokens.models import ApiToken, RefreshToken, Session

ROTATIONS_BOUND = 1_000


def _at_execution() -> ColumnElement[datetime]:
    """The time when the statement runs, so that it can be kept."""
    return bindparam(None, callable_=lambda: now(), type_=Session.expires_at.type, unique=True)


def is_live() -> ColumnElement[bool]:
    """Sessions that are neither ended nor expired."""
    return Session.ended_at.is_(None) & (Session.expires_at > _at_execution())


def live_of(*user_ids: uuid.UUID) -> Select[int]:
    """How many active sessions people have, in all tenants."""
    theirs = select(func.count(Session.id)).where(among(Session.user_id, user_ids), is_live())
    return theirs.execution_options(all_tenants=True)


def live_in(organization_id: uuid.UUID) -> Select[Session]:
    """The active sessions of an organization's people."""
    return select(Session).where(Session.organization_id == organization_id, is_live())


def latest_of(user_id: uuid.UUID, most: int) -> Sequence[Row[Any]]:
    """A person's active sessions, most recently used first, in all tenants.

    `total` is their number, `rotations` how often refresh tokens were rotated, counted up to ROTATIONS_BOUND.
    """
    return read(_latest(most), {"user_id": user_id}, all_tenants=True)


@cache
def _latest(most: int) -> Rows:
    session = select(literal(1)).where(RefreshToken.session_id == Session.id).limit(ROTATIONS_BOUND + 2)
    tokens = select(func.count()).select_from(session.correlate(Session).lateral()).scalar_subquery()
    columns = (Session.id, Session.is_browser, Session.is_kept, Session.address, Session.agent, Session.created_at)
    found = select(
        *columns,
        Session.used_at,
        Session.expires_at,
        func.greatest(tokens - 1, 0).label("rotations"),
        func.count().over().label("total"),
    )
    mine = found.where(Session.user_id == bindparam("user_id"), is_live())
    return kept(mine.order_by(Session.used_at.desc(), Session.id.desc()).limit(most))


def agent_of(user_id: uuid.UUID, session_id: uuid.UUID) -> Select[str]:
    """The user agent of a person's session, ended or not."""
    mine = select(Session.agent).where(Session.user_id == user_id, Session.id == session_id)
    return mine.execution_options(all_tenants=True)


def is_usable() -> ColumnElement[bool]:
    """API tokens that are neither revoked nor expired."""
    return ApiToken.revoked_at.is_(None) & (ApiToken.expires_at > _at_execution())


def api_tokens_of(user_id: uuid.UUID) -> Select[ApiToken]:
    """A person's active API tokens, newest first."""
    return select(ApiToken).where(ApiToken.user_id == user_id, is_usable()).order_by(ApiToken.id.desc())


def api_tokens_in_use(*user_ids: uuid.UUID) -> Select[int]:
    """How many API tokens of people are active, in all tenants."""
    theirs = select(func.count(ApiToken.id)).where(among(ApiToken.user_id, user_ids), is_usable())
    return theirs.execution_options(all_tenants=True)


def api_tokens_in(organization_id: uuid.UUID) -> Select[ApiToken]:
    """The active API tokens of an organization's people."""
    return select(ApiToken).where(ApiToken.organization_id == organization_id, is_usable())
