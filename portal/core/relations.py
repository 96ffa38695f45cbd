"""Link rows of one tenant, such as a person and a team, and remove the links."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import column, delete, inspect, select, table
from sqlalchemy.dialects.postgresql import insert

from portal.core.db import command, db
from portal.core.errors import Conflict
from portal.core.models import Link

ORGANIZATIONS = table("organizations", column("id"), column("deleted_at"))


@command
def link(model: type[Link], organization_id: uuid.UUID, keys: Mapping[str, uuid.UUID]) -> bool:
    """Link two rows, given by the link's columns; False if they are linked already.

    Raises Conflict if one of them is gone or no longer in the organization, or if that is deleted,
    NotAllowed if it isn't the actor's organization.
    """
    statement = insert(model).values(organization_id=organization_id, **keys)
    made = statement.on_conflict_do_nothing().returning(model.organization_id)
    return db.session.execute(made).first() is not None


@command
def unlink(model: type[Link], organization_id: uuid.UUID, keys: Mapping[str, uuid.UUID]) -> bool:
    """Remove the link between two rows; False if there is none. Raises Conflict as `link` does."""
    _lock(model, organization_id, keys)
    linked: Any = (getattr(model, name) == key for name, key in keys.items())
    return db.session.execute(delete(model).where(*linked).returning(model.organization_id)).first() is not None


def _lock(model: type[Link], organization_id: uuid.UUID, keys: Mapping[str, uuid.UUID]) -> None:
    """Lock both rows and their organization in the order in which portal_check_links does."""
    for one in inspect(model).local_table.columns:
        for key in one.foreign_keys if one.name in keys else ():
            rows = key.column.table.c
            active = select(rows.id).where(rows.id == keys[one.name], rows.organization_id == organization_id)
            _lock_active(one.name, active.where(rows.deleted_at.is_(None)))
    active = select(ORGANIZATIONS.c.id).where(ORGANIZATIONS.c.id == organization_id)
    _lock_active("organization_id", active.where(ORGANIZATIONS.c.deleted_at.is_(None)))


def _lock_active(name: str, statement: Any) -> None:
    if db.session.scalar(statement.with_for_update(read=True)) is None:
        raise Conflict(name, "It was deleted, or belongs to another organization.")
