"""Create, use and revoke API tokens."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import func, insert, select, update

from portal.core import history
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.errors import Conflict, Missing
from portal.tokens.actions import TOKEN_CREATED, TOKEN_REVOKED
from portal.tokens.commands import BYTES
from portal.tokens.models import ApiToken, digest

PREFIX = "portal_pat_"
SHOWN = len(PREFIX) + 4
MOST = 50  # active, per person
LONGEST = timedelta(days=365)
NO_SYNC = {"synchronize_session": False}


def create(name: str, scopes: Collection[str], lasts: timedelta, *, row_id: uuid.UUID) -> str | None:
    """Create an API token for the actor, and return it. None if it was already created."""
    actor = current_actor()
    db.session.rollback()  # don't hold a connection while waiting for another
    with acting_as(SYSTEM):
        return _create(actor, name, scopes, min(lasts, LONGEST), row_id)


@command
def _create(actor: Actor, name: str, scopes: Collection[str], lasts: timedelta, row_id: uuid.UUID) -> str | None:
    """Runs as the system: the tenant role can't create tokens, so nobody can create them for others."""
    own = db.session.execute(
        select(ApiToken.id, ApiToken.revoked_at, ApiToken.expires_at).where(ApiToken.user_id == actor.id)
    ).all()
    if any(one.id == row_id for one in own):
        return None
    at = now()
    if sum(one.revoked_at is None and one.expires_at > at for one in own) >= MOST:
        raise Conflict(None, f"You have {MOST} tokens. Revoke one that you no longer need.")
    token = PREFIX + secrets.token_urlsafe(BYTES)
    row = {
        "id": row_id,
        "token": digest(token),
        "user_id": actor.id,
        "organization_id": actor.organization_id,
        "name": name,
        "beginning": token[:SHOWN],
        "scopes": sorted(scopes),
        "expires_at": at + lasts,
    }
    db.session.execute(insert(ApiToken), [row])
    history.record(TOKEN_CREATED, by=actor, about=actor.id)
    return token


def revoke(token_id: uuid.UUID) -> str:
    """Revoke one of the actor's tokens, and return its name. Raises Missing for other tokens."""
    actor = current_actor()
    db.session.rollback()
    with acting_as(SYSTEM):
        return _revoke(actor, token_id)


@command
def _revoke(actor: Actor, token_id: uuid.UUID) -> str:
    own = (ApiToken.id == token_id) & (ApiToken.user_id == actor.id)
    name = db.session.scalar(select(ApiToken.name).where(own))
    if name is None:
        raise Missing
    active = update(ApiToken).where(own, ApiToken.revoked_at.is_(None)).returning(ApiToken.id)
    if db.session.scalar(active.values(revoked_at=func.clock_timestamp()), execution_options=NO_SYNC):
        history.record(TOKEN_REVOKED, by=actor, about=actor.id)
    return name


@command
def record_use(token_id: uuid.UUID) -> None:
    statement = update(ApiToken).where(ApiToken.id == token_id).values(used_at=now())
    db.session.execute(statement, execution_options=NO_SYNC)
