"""Remove rows permanently, in batches: with everything that belongs to them, and with their values in the history.

What belongs to a row are the rows that foreign keys remove with it (ON DELETE CASCADE).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Table, delete, func, literal, select, text

from portal.core.db import command, db
from portal.core.models import Base, Link, Record

AT_ONCE = 1_000  # rows in one transaction, so that nobody waits for it
ERASE_TIMEOUT = "5min"  # somebody may have changed very many rows
ERASE = text("SELECT portal_erase_activity(:erased, VARIADIC CAST(:keys AS uuid[]))")
OPTIONS: dict[str, Any] = {"with_deleted": True, "synchronize_session": False}


@command
def purge_some(model: type[Record], *conditions: ColumnElement[bool]) -> int:
    """Remove up to AT_ONCE rows, whether they are deleted or not. Returns how many."""
    found = select(model.id).where(*conditions).limit(AT_ONCE).with_for_update()
    keys = db.session.scalars(found, execution_options=OPTIONS).all()
    if keys:
        db.session.execute(delete(model).where(model.id.in_(keys)), execution_options=OPTIONS)
        db.session.execute(select(func.set_config("statement_timeout", ERASE_TIMEOUT, True)))
        table: Any = model.__table__  # type: ignore[attr-defined]
        db.session.execute(ERASE, {"erased": table.name, "keys": [str(key) for key in keys]})
    return len(keys)


def belongings(model: type[Record]) -> dict[Table, str]:
    """The table of a row and those of everything that belongs to it, each with the column that names the row."""
    own: Any = model.__table__  # type: ignore[attr-defined]
    others = {
        table: column.name
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if any(key.column.table is own and key.ondelete == "CASCADE" for key in column.foreign_keys)
    }
    return {own: "id", **others}


def is_referenced(row: Record) -> bool:
    """Whether another record or a link names this one."""
    own: Any = row.__table__  # type: ignore[attr-defined]
    others = (one.local_table for one in Base.registry.mappers if issubclass(one.class_, Record | Link))
    keys = (key for table in others for key in table.foreign_keys if key.column.table is own)
    return any(db.session.scalar(select(select(literal(1)).where(key.parent == row.id).exists())) for key in keys)
