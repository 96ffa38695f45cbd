"""Decide which changes can be undone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, select

from portal.core.db import db
from portal.core.history import has_effect, is_undoable
from portal.core.models import Record
from portal.resources.resource import Resource, resources


def undoable_among(events: Sequence[Row[Any]], *, of_one_row: bool) -> set[uuid.UUID]:
    """Events whose undo would have an effect on the rows as they are now. The command checks again, under a lock."""
    seen: set[str] = set()
    offered = []
    for event in events:
        if not (of_one_row and seen & set(event.changes or ())) and _may_be_undone(event):
            offered.append(event)
        seen |= set(event.changes or ())
    rows = {row.id: row for one in resources().values() for row in _rows_of(one, offered)}
    return {one.id for one in offered if one.row_id in rows and _has_effect(rows[one.row_id], one.changes)}


def _rows_of(resource: Resource[Any], events: Sequence[Row[Any]]) -> Iterable[Record]:
    wanted = {one.row_id for one in events if one.table_name == resource.name}
    found = select(resource.records.model).where(resource.records.model.id.in_(wanted))
    return db.session.scalars(found, execution_options={"with_deleted": True}) if wanted else ()


def _has_effect(row: Record, changes: dict[str, list[Any]]) -> bool:
    """Whether undo has an effect. A deleted row must be restored before anything else of it is undone."""
    return not (row.is_deleted and "deleted_at" not in changes) and has_effect(row, changes)


def _may_be_undone(row: Row[Any]) -> bool:
    """Whether the reader is allowed to undo it."""
    resource, changes = resources().get(row.table_name), row.changes or {}
    return resource is not None and is_undoable(row.action, changes) and resource.may_be_undone(row.row_id, changes)
