"""Where is a person signed in, and who ends that?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from portal.core import history
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Missing, NotAllowed
from portal.tokens import commands as tokens
from portal.tokens.queries import agent_of, latest_of
from portal.users import queries

SHOWN = 50


@dataclass(frozen=True)
class Devices:
    """The sign-ins that were used last, and how many there are in all."""

    rows: Sequence[Row[Any]]
    total: int


def devices_of(user_id: uuid.UUID) -> Devices:
    """The living sign-ins of a person, whom the caller found: they are seen whatever tenant they began under."""
    rows = db.session.execute(latest_of(user_id, SHOWN)).all()
    return Devices(rows, rows[0].total if rows else 0)


def end_one(user_id: uuid.UUID, sign_in_id: uuid.UUID) -> str:
    """End one sign-in; again is no error. Returns what it was with. Missing, NotAllowed."""
    agent = db.session.scalar(agent_of(user_id, sign_in_id))
    if agent is None:
        raise Missing
    _as_system(user_id, "end_sign_in", lambda: tokens.end_one(user_id, sign_in_id))
    return agent


def end_all(user_id: uuid.UUID, *, besides: uuid.UUID) -> int:
    """End every sign-in of a person but the one that asks; returns how many. Missing, NotAllowed."""
    return _as_system(user_id, "end_sign_ins", lambda: tokens.end_others(user_id, besides))


def _as_system(user_id: uuid.UUID, action: str, end: Callable[[], int]) -> int:
    """In one transaction with its event, which a tenant may not write."""
    by = current_actor()
    db.session.rollback()  # no connection waits for another
    with acting_as(SYSTEM):
        return _end(user_id, by, action, end)


@command
def _end(user_id: uuid.UUID, by: Actor, action: str, end: Callable[[], int]) -> int:
    user = locked(queries.reached_by(by, user_id))
    if user.id != by.id and not user.may_be_changed_by(by):
        raise NotAllowed
    ended = end()
    if ended:
        history.record(action, by=by, about=user.id, tenant=user.seen_by)
    return ended
