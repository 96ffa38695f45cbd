"""Which changes are offered to be undone?"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, select

from portal.activity.words import WORDS
from portal.core.actor import Role, current_actor
from portal.core.db import db
from portal.core.history import has_effect, is_undoable
from portal.core.policy import allows, grantable_roles
from portal.organizations.models import Organization
from portal.users.models import User

MODELS: dict[str, type[User | Organization]] = {"users": User, "organizations": Organization}


def undoable_among(events: Sequence[Row[Any]], *, of_one_row: bool) -> set[uuid.UUID]:
    """The events whose undo would do something, by what their rows are like now. The command asks again, under lock."""
    seen: set[str] = set()
    offered = []
    for event in events:
        if not (of_one_row and seen & set(event.changes or ())) and _may_be_undone(event):
            offered.append(event)
        seen |= set(event.changes or ())
    rows = {row.id: row for table, model in MODELS.items() for row in _rows_of(model, table, offered)}
    return {one.id for one in offered if one.row_id in rows and _has_effect(rows[one.row_id], one.changes)}


def _rows_of(model: type[User | Organization], table: str, events: Sequence[Row[Any]]) -> Iterable[User | Organization]:
    wanted = {one.row_id for one in events if one.table_name == table}
    found = select(model).where(model.id.in_(wanted))
    return db.session.scalars(found, execution_options={"with_deleted": True}) if wanted else ()


def _has_effect(row: User | Organization, changes: dict[str, list[Any]]) -> bool:
    """What is deleted is restored before anything else of it is undone."""
    return not (row.is_deleted and "deleted_at" not in changes) and has_effect(row, changes)


def _may_be_undone(row: Row[Any]) -> bool:
    """Whether the reader may."""
    actor, changes = current_actor(), row.changes or {}
    if not is_undoable(row.action, changes) or row.table_name not in WORDS:
        return False
    if actor.is_unlimited:
        return row.row_id != actor.id or not set(changes) & {"role", "is_active", "organization_id", "deleted_at"}
    role = (changes.get("role") or [None])[0]
    return (
        allows(actor, WORDS[row.table_name].permission)
        and not set(changes) & {"organization_id", "slug"}
        and (role is None or Role[role] in grantable_roles(actor))
        and (row.row_id != actor.id or not set(changes) & {"role", "is_active", "deleted_at"})
        and (row.table_name == "users" or "deleted_at" not in changes)
    )
