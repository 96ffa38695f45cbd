"""Write many rows at once, under the same rules as single rows.

The rules of scoping.py apply to each helper, and the stamping trigger to bulk statements too. Call them inside a
@command.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, func, insert, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError

from portal.core.actor import Actor, current_actor
from portal.core.db import conflict_of, db
from portal.core.errors import Conflict, Missing, NotAllowed
from portal.core.keys import uuid7
from portal.core.models import Audited, Keyed, SoftDeletable, TenantOwned

Model = TypeVar("Model", bound=Keyed)
# Disabled while importing rows that keep their own dates: one event covers the whole import.
IMPORT_TRIGGERS = ("stamp", "history_insert")


def create_many(model: type[Model], rows: Iterable[Mapping[str, Any]]) -> list[uuid.UUID]:
    """Insert rows in this order, and return their keys. Raises NotAllowed if the actor may not create one of them."""
    prepared = [_prepared(model, row) for row in rows]
    if prepared:
        db.session.execute(insert(model), prepared)
    return [row["id"] for row in prepared]


def update_many(model: type[Model], ids: Sequence[uuid.UUID], values: Mapping[str, Any]) -> int:
    """Set the same values in all rows. Raises Missing, and changes none, if one is not an active row of the actor's."""
    wanted = set(ids)
    _check_values(model, values, current_actor())
    conditions = [model.id.in_(wanted)]
    statement = update(model).where(*conditions).values(dict(values)).execution_options(synchronize_session=False)
    found = db.session.scalars(statement.returning(model.id)).all()
    if set(found) != wanted:
        raise Missing
    return len(found)


def upsert(model: type[Model], rows: Iterable[Mapping[str, Any]], *, key: str) -> list[uuid.UUID]:
    """Insert rows, or update the active row of the same tenant with the same `key`, a column unique regardless of case.

    A deleted row is never restored. Conflict, and nothing is written, if a key belongs to another tenant's row, to one
    that the actor may not change, or to two of the rows. Returns the keys of the rows in this order.
    """
    prepared = [_prepared(model, row) for row in rows]
    if not prepared:
        return []
    if len({str(row[key]).lower() for row in prepared}) != len(prepared):
        raise Conflict(key, "This value occurs twice.")
    statement = postgresql.insert(model)
    column = getattr(model, key)
    fixed = {"id", key, model.tenant().key if issubclass(model, TenantOwned) else "", *Audited.__annotations__}
    changed = [name for name in prepared[0] if name not in fixed]
    statement = statement.on_conflict_do_update(
        index_elements=[func.lower(column)],
        index_where=model.deleted_at.is_(None) if issubclass(model, SoftDeletable) else None,
        set_={name: getattr(statement.excluded, name) for name in changed} or {key: column},
        where=_reachable(model, statement.excluded, current_actor()),
    )
    found = db.session.execute(statement.returning(model.id, func.lower(column)), prepared).all()
    by_key = {value: row_id for row_id, value in found}
    if len(by_key) != len(prepared):
        raise Conflict(key, "This value can't be used here.")
    return [by_key[str(row[key]).lower()] for row in prepared]


@contextmanager
def separately() -> Iterator[None]:
    """Roll back only this block if it fails, and continue the command. Conflict if a constraint is violated."""
    try:
        with db.session.begin_nested():
            yield
    except IntegrityError as error:
        raise conflict_of(error) from error


@contextmanager
def without_triggers(connection: Connection, table: str, triggers: Iterable[str]) -> Iterator[None]:
    """Disable the triggers of these names that a table has, during the block.

    Only the table's owner can. Other writers wait until the end of the transaction.
    """
    named = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname = ANY(%s)"
    found = connection.exec_driver_sql(named, (table, list(triggers))).scalars().all()
    for trigger in found:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    yield
    for trigger in found:
        connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER {trigger}")


def _prepared(model: type[Keyed], row: Mapping[str, Any]) -> dict[str, Any]:
    actor = current_actor()
    values = {"id": uuid7(), **row}
    if issubclass(model, TenantOwned) and not actor.is_unlimited:
        values.setdefault(model.tenant().key, actor.organization_id)
    _check_values(model, values, actor)
    return values


def _check_values(model: type[Keyed], values: Mapping[str, Any], actor: Actor) -> None:
    """Check that the actor may create a row with these values."""
    if actor.is_unlimited or not issubclass(model, TenantOwned):
        return
    tenant = model.tenant().key
    row = model(**{tenant: actor.organization_id, **values})
    if not row.is_writable_by(actor):
        raise NotAllowed


def _reachable(model: type[Keyed], excluded: Any, actor: Actor) -> ColumnElement[bool] | None:
    """Whether the existing row belongs to the tenant that the new one names, and the actor may change it."""
    if not issubclass(model, TenantOwned):
        return None
    tenant = model.tenant()
    same = tenant.is_not_distinct_from(getattr(excluded, tenant.key))
    return same if actor.is_unlimited else and_(same, model.visible_to(actor))
