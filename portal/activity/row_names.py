"""Names of the rows that events mention."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from portal.core.db import db
from portal.core.email_addresses import readable_email
from portal.resources.resource import Resource, resources

Key = tuple[str, uuid.UUID]  # a table and the key of one of its rows
Names = Mapping[Key, str]


def names_of(keys: Iterable[Key]) -> dict[Key, str]:
    """Names of those rows, deleted ones too, that the actor may see. One statement per resource."""
    wanted = set(keys)
    found = {}
    for resource in resources().values():
        if ids := [row_id for table, row_id in wanted if table == resource.name]:
            for row_id, name in _named(resource, ids):
                found[resource.name, row_id] = readable_email(name)
    return found


def _named(resource: Resource[Any], ids: list[uuid.UUID]) -> Iterable[Any]:
    row = resource.named
    found = select(row.id, resource.sql_name(row)).where(row.id.in_(ids))
    return db.session.execute(found, execution_options={"with_deleted": True})


def key_of(table: str | None, value: Any) -> Key | None:
    """The row of a resource that a value is the key of; None if it is none."""
    if table is None or table not in resources() or not value:
        return None
    try:
        return table, uuid.UUID(str(value))
    except ValueError:
        return None


def in_words(resource: Resource[Any] | None, column: str, value: Any, names: Names) -> str | None:
    """A column's value as people read it: the name of the row that it refers to, or the value in words."""
    table = resource.references.get(column) if resource else None
    if key := key_of(table, value):
        return names.get(key, f"another {resources()[key[0]].noun}")
    return resource.in_words(column, value) if resource else (str(value) if value not in (None, "") else None)
