"""Open, extend and end sessions."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from portal.core.actor import current_origin
from portal.core.bulk import among
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.keys import uuid7
from portal.core.retention import in_batches
from portal.tokens.models import ApiToken, RefreshToken, Session, digest

BYTES = 32
PRUNED_AT_ONCE = 10_000
NO_SYNC = {"synchronize_session": False}


@dataclass(frozen=True)
class Lifetime:
    """How long a session lasts, unused and in total, and whether the browser keeps it after it is closed."""

    idle: timedelta
    absolute: timedelta
    is_kept: bool = False


@command
def open_session(user_id: uuid.UUID, organization_id: uuid.UUID | None, *, lifetime: Lifetime) -> str:
    """Open a browser's session. Returns its token, of which only a digest is stored."""
    token = secrets.token_urlsafe(BYTES)
    add_session(user_id, organization_id, now(), lifetime=lifetime, token=token)
    return token


def add_session(
    user_id: uuid.UUID, organization_id: uuid.UUID | None, at: datetime, *, lifetime: Lifetime, token: str | None
) -> uuid.UUID:
    """Add a session. Without a token it belongs to an API client, which has refresh tokens."""
    origin, key = current_origin(), uuid7()
    row = {
        "id": key,
        "token": None if token is None else digest(token),
        "user_id": user_id,
        "organization_id": organization_id,
        "is_kept": lifetime.is_kept,
        "address": origin.address,
        "agent": origin.agent,
        "idle": lifetime.idle,
        "expires_at": at + min(lifetime.idle, lifetime.absolute),
        "ends_at": at + lifetime.absolute,
    }
    moments = {"created_at": at, "authenticated_at": at, "used_at": at}
    db.session.execute(insert(Session), [{**row, **moments}])
    return key


@command
def use(session_id: uuid.UUID, seen: datetime) -> None:
    """Extend a session that was last used at `seen`, unless another request has extended it since."""
    at, origin = now(), current_origin()
    statement = (
        update(Session)
        .where(Session.id == session_id, Session.used_at == seen, Session.ended_at.is_(None))
        .values(
            used_at=at,
            expires_at=func.least(Session.ends_at, at + Session.idle),
            address=origin.address,
            agent=origin.agent,
        )
    )
    db.session.execute(statement, execution_options=NO_SYNC)


@command
def reauthenticated(session_id: uuid.UUID) -> None:
    """Record that a session's person has just entered their password again."""
    statement = update(Session).where(Session.id == session_id).values(authenticated_at=now())
    db.session.execute(statement, execution_options={"synchronize_session": False})


@command
def revoke(token: str) -> None:
    """End the session of a browser's token."""
    end(Session.token == digest(token))


@command
def revoke_all(*user_ids: uuid.UUID) -> None:
    """End all sessions and API tokens of people, in all tenants. The caller must be allowed to change the people."""
    end(among(Session.user_id, user_ids), all_tenants=True)
    revoke_api_tokens(*user_ids)


@command
def end_one(user_id: uuid.UUID, session_id: uuid.UUID) -> int:
    """End one session of a person. Returns how many ended."""
    return end((Session.user_id == user_id) & (Session.id == session_id))


@command
def end_others(user_id: uuid.UUID, kept: uuid.UUID | None) -> int:
    """End all sessions of a person except one. Returns how many ended."""
    return end((Session.user_id == user_id) & Session.id.is_distinct_from(kept))


@command
def end(condition: ColumnElement[bool], *, all_tenants: bool = False) -> int:
    """End sessions, then their refresh tokens, in the order in which rotation locks them.

    Sessions that have already ended keep their time. Returns how many ended.
    """
    at, options = now(), {**NO_SYNC, "all_tenants": all_tenants}
    active = update(Session).where(condition, Session.ended_at.is_(None)).values(ended_at=at).returning(Session.id)
    ended = db.session.scalars(active, execution_options=options).all()
    tokens = update(RefreshToken).where(among(RefreshToken.session_id, ended), RefreshToken.revoked_at.is_(None))
    if ended:
        db.session.execute(tokens.values(revoked_at=at), execution_options=options)
    return len(ended)


def prune(before: datetime) -> int:
    """Remove sessions that ended earlier than `before`, with their tokens, in batches. Returns how many."""
    return in_batches(lambda: _prune(before))


@command
def _prune(before: datetime) -> int:
    old = select(Session.id).where(func.least(Session.expires_at, Session.ended_at) < before).limit(PRUNED_AT_ONCE)
    removed = delete(Session).where(Session.id.in_(old)).returning(Session.id)
    return len(db.session.scalars(removed, execution_options=NO_SYNC).all())


def revoke_api_tokens(*user_ids: uuid.UUID) -> None:
    """Revoke people's active tokens, on behalf of anyone who may change the people.

    It uses the database's clock, as events do, so that the event that ended them can be identified (auth/queries.py).
    """
    statement = update(ApiToken).where(among(ApiToken.user_id, user_ids), ApiToken.revoked_at.is_(None))
    options = {"synchronize_session": False, "all_tenants": True}
    db.session.execute(statement.values(revoked_at=func.clock_timestamp()), execution_options=options)


@command
def end_client_sessions(*user_ids: uuid.UUID, has_moved: bool) -> None:
    """End the API clients' sessions of people whose role changed; if the tenant changed, also their API tokens."""
    if has_moved:
        revoke_api_tokens(*user_ids)
    end(among(Session.user_id, user_ids) & ~Session.is_browser, all_tenants=True)
