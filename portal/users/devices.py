"""List and end a person's sessions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row

from portal.core.actions import Action
from portal.core.db import db
from portal.core.errors import Missing
from portal.tokens import commands as tokens
from portal.tokens.queries import agent_of, latest_of
from portal.users.actions import END_SESSION, END_SESSIONS
from portal.users.behalf import Record, on_behalf
from portal.users.models import User

SHOWN = 50


@dataclass(frozen=True)
class Devices:
    """The most recently used sessions, and the total number."""

    rows: Sequence[Row[Any]]
    total: int


def devices_of(user_id: uuid.UUID) -> Devices:
    """A person's active sessions, in all tenants. The caller checks access to the person."""
    rows = latest_of(user_id, SHOWN)
    return Devices(rows, rows[0].total if rows else 0)


def end_one(user_id: uuid.UUID, session_id: uuid.UUID) -> str:
    """End one session, or do nothing if it has ended. Returns its user agent. Raises Missing, NotAllowed."""
    agent = db.session.scalar(agent_of(user_id, session_id))
    if agent is None:
        raise Missing
    on_behalf(user_id, partial(_end, END_SESSION, lambda: tokens.end_one(user_id, session_id)))
    return agent


def end_all(user_id: uuid.UUID, *, besides: uuid.UUID) -> int:
    """End all sessions of a person except the current one. Returns how many. Raises Missing, NotAllowed."""
    return on_behalf(user_id, partial(_end, END_SESSIONS, lambda: tokens.end_others(user_id, besides)))


def _end(action: Action, end: Callable[[], int], _user: User, record: Record) -> int:
    ended = end()
    if ended:
        record(action)
    return ended
