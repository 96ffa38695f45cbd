"""How does a sign-in begin, go on and end?"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, insert, select, update

from portal.core.actor import current_origin
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.keys import uuid7
from portal.tokens.models import RefreshToken, SignIn, digest

BYTES = 32


@dataclass(frozen=True)
class Lifetime:
    """How long a sign-in holds: unused, and at most; whether the browser keeps it when it is closed."""

    idle: timedelta
    absolute: timedelta
    is_kept: bool = False


@command
def open_sign_in(user_id: uuid.UUID, organization_id: uuid.UUID | None, *, lifetime: Lifetime) -> str:
    """Begin a browser's sign-in. Returns its token, which is stored as a digest only."""
    token = secrets.token_urlsafe(BYTES)
    add_sign_in(user_id, organization_id, lifetime=lifetime, token=token)
    return token


def add_sign_in(
    user_id: uuid.UUID, organization_id: uuid.UUID | None, *, lifetime: Lifetime, token: str | None
) -> uuid.UUID:
    """One row; without a token the family of an API client, which has its own."""
    at, origin, key = now(), current_origin(), uuid7()
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
    moments = {"created_at": at, "proved_at": at, "used_at": at}
    db.session.execute(insert(SignIn), [{**row, **moments}])
    return key


@command
def use(sign_in_id: uuid.UUID, seen: datetime) -> None:
    """Note that a sign-in goes on being used, unless another request did so since it was `seen`."""
    at, origin = now(), current_origin()
    statement = (
        update(SignIn)
        .where(SignIn.id == sign_in_id, SignIn.used_at == seen, SignIn.ended_at.is_(None))
        .values(
            used_at=at,
            expires_at=func.least(SignIn.ends_at, at + SignIn.idle),
            address=origin.address,
            agent=origin.agent,
        )
    )
    db.session.execute(statement, execution_options={"synchronize_session": False})


@command
def prove(sign_in_id: uuid.UUID) -> None:
    """Note that the person of a sign-in has just said again who they are."""
    statement = update(SignIn).where(SignIn.id == sign_in_id).values(proved_at=now())
    db.session.execute(statement, execution_options={"synchronize_session": False})


@command
def revoke(token: str) -> None:
    """End the sign-in of a browser's token."""
    _end(SignIn.token == digest(token))


@command
def revoke_all(user_id: uuid.UUID) -> None:
    """End every sign-in of a person whom the caller may change: those too that began under another tenant."""
    _end(SignIn.user_id == user_id, all_tenants=True)


def _end(condition: ColumnElement[bool], *, all_tenants: bool = False) -> None:
    """With the tokens of its family."""
    at, options = now(), {"synchronize_session": False, "all_tenants": all_tenants}
    families = select(SignIn.id).where(condition)
    for statement in (
        update(RefreshToken)
        .where(RefreshToken.family_id.in_(families), RefreshToken.revoked_at.is_(None))
        .values(revoked_at=at),
        update(SignIn).where(condition, SignIn.ended_at.is_(None)).values(ended_at=at),
    ):
        db.session.execute(statement, execution_options=options)
