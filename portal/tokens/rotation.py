"""Rotate refresh tokens: each is used once, and using it creates the next (RFC 9700, 4.14)."""

from __future__ import annotations

import enum
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import aliased

from portal.core.actor import current_origin
from portal.core.clock import now
from portal.core.db import command, db
from portal.tokens.commands import BYTES, Lifetime, add_session, end
from portal.tokens.models import RefreshToken, Session, digest

NO_SYNC = {"synchronize_session": False}


class Refusal(enum.Enum):
    """The reason why a refresh token was refused."""

    UNKNOWN = "it is unknown, or its session has ended"
    JUST_USED = "its successor is unused: a client sent two requests at once"
    REPLAYED = "it was used before and may have been copied, so its session has ended"


@dataclass(frozen=True)
class ClientSession:
    """An API client's session and its person."""

    id: uuid.UUID
    user_id: uuid.UUID


@dataclass(frozen=True)
class Opened:
    """A session and its unused refresh token, which is returned once."""

    session: ClientSession
    token: str


@command
def open_client_session(user_id: uuid.UUID, organization_id: uuid.UUID | None, *, lifetime: Lifetime) -> Opened:
    """Open an API client's session."""
    at = now()
    key = add_session(user_id, organization_id, at, lifetime=lifetime, token=None)
    token = _add(key, user_id, organization_id, at, at + min(lifetime.idle, lifetime.absolute))
    return Opened(ClientSession(key, user_id), token)


def session_id_of(token: str) -> Select[uuid.UUID]:
    return select(RefreshToken.session_id).where(RefreshToken.token == digest(token))


def successor_of(token: str) -> Select[uuid.UUID]:
    """The unused token that replaced this one: it was created when this one was used."""
    spent = aliased(RefreshToken)
    return (
        select(RefreshToken.id)
        .join(spent, (spent.session_id == RefreshToken.session_id) & (spent.revoked_at == RefreshToken.created_at))
        .where(spent.token == digest(token), RefreshToken.revoked_at.is_(None))
    )


def client_session_of(token: str) -> ClientSession | None:
    """Lock and return the session of a token, used or not, so that its tokens are used one after the other."""
    wanted = select(Session.id, Session.user_id).where(Session.id == session_id_of(token).scalar_subquery())
    found = db.session.execute(wanted.with_for_update()).first()
    return ClientSession(found.id, found.user_id) if found else None


@command
def rotate(token: str, *, grace: timedelta) -> Opened | Refusal:
    """Use a token and create the next one. A used token ends the session, except within `grace` after it was used.

    Everything is read after locking, so that a request that had to wait sees the changes of the other one.
    """
    session, at = client_session_of(token), now()
    if session is None:
        return Refusal.UNKNOWN
    row = db.session.execute(
        select(
            RefreshToken.revoked_at,
            Session.organization_id,
            Session.ended_at,
            Session.ends_at,
            Session.expires_at,
            Session.idle,
        )
        .join(Session, Session.id == RefreshToken.session_id)
        .where(RefreshToken.token == digest(token))
    ).one()
    if row.ended_at is not None or row.expires_at <= at:
        return Refusal.UNKNOWN
    if row.revoked_at is not None:
        return _spent(session, token, row.revoked_at, at, grace)
    return Opened(session, _next(session, row.organization_id, at, min(row.ends_at, at + row.idle)))


def _spent(session: ClientSession, token: str, spent_at: datetime, at: datetime, grace: timedelta) -> Refusal:
    if at - spent_at <= grace and db.session.scalar(successor_of(token)) is not None:
        return Refusal.JUST_USED
    end(Session.id == session.id)
    return Refusal.REPLAYED


def _next(session: ClientSession, organization_id: uuid.UUID | None, at: datetime, expires_at: datetime) -> str:
    """Create the next token. The index refresh_tokens_unspent_key guarantees one unused token per session."""
    unused = (RefreshToken.session_id == session.id) & RefreshToken.revoked_at.is_(None)
    origin = current_origin()
    moved = {"used_at": at, "expires_at": expires_at, "address": origin.address, "agent": origin.agent}
    for statement in (
        update(RefreshToken).where(unused).values(revoked_at=at),
        update(Session).where(Session.id == session.id).values(**moved),
    ):
        db.session.execute(statement, execution_options=NO_SYNC)
    return _add(session.id, session.user_id, organization_id, at, expires_at)


def _add(
    session_id: uuid.UUID, user_id: uuid.UUID, organization_id: uuid.UUID | None, at: datetime, expires_at: datetime
) -> str:
    token = secrets.token_urlsafe(BYTES)
    row = {"token": digest(token), "session_id": session_id, "user_id": user_id, "organization_id": organization_id}
    db.session.execute(insert(RefreshToken), [{**row, "created_at": at, "expires_at": expires_at}])
    return token


@command
def close_client_session(session: ClientSession) -> None:
    """End an API client's session."""
    end(Session.id == session.id)
