"""Load one entity by its key as the ORM does, by the driver alone, which costs less."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, bindparam, inspect, select
from sqlalchemy.orm import ColumnProperty, InstrumentedAttribute, contains_eager, make_transient_to_detached

from portal.core.db import db, read
from portal.core.models import Record
from portal.core.scoping import kept

Row = TypeVar("Row", bound=Record)


class Detail(Generic[Row]):
    """A row with the rows that its pages show: `related` are its relationships to at most one row each."""

    def __init__(self, model: type[Row], related: Sequence[InstrumentedAttribute[Any]] = ()) -> None:
        statement = select(model).where(model.id == bindparam("row_id"))
        for one in related:
            statement = statement.outerjoin(one).options(contains_eager(one))
        self._own = _Kind(model, "own")
        self._related = [(one.key, _Kind(one.property.mapper.class_, one.key)) for one in related]
        columns = [column for kind in (self._own, *(kind for _, kind in self._related)) for column in kind.columns]
        self._entity: Select[Row] = kept(statement)
        self._columns = kept(statement.with_only_columns(*columns))

    def one(self, row_id: uuid.UUID, *, with_deleted: bool = False) -> Row | None:
        """The row, in the session. None if there is none."""
        if self._own.known(row_id) is not None:  # it may be outdated, or have unsaved changes
            options = {"with_deleted": with_deleted}
            known: Row | None = db.session.scalar(self._entity, {"row_id": row_id}, execution_options=options)
            return known
        for found in read(self._columns, {"row_id": row_id}, with_deleted=with_deleted):
            values = iter(found)
            row = self._own.new(values)
            for name, kind in self._related:
                row.__dict__[name] = kind.taken(values)
            loaded: Row = _loaded(row)
            return loaded
        return None


class _Kind:
    """An entity's columns in a SELECT, in the order of its attributes."""

    def __init__(self, model: type[Any], prefix: str) -> None:
        self._mapper = inspect(model)
        attributes: list[ColumnProperty[Any]] = [one for one in self._mapper.column_attrs if not one.deferred]
        self._names = [one.key for one in attributes]
        self.columns = [getattr(model, name).label(f"{prefix}_{name}") for name in self._names]

    def known(self, row_id: uuid.UUID) -> Any:
        return db.session.identity_map.get(self._mapper.identity_key_from_primary_key((row_id,)))

    def new(self, values: Iterator[Any]) -> Any:
        row = self._mapper.class_manager.new_instance()
        row.__dict__.update(zip(self._names, values, strict=False))
        return row

    def taken(self, values: Iterator[Any]) -> Any:
        row = self.new(values)
        return None if row.id is None else self.known(row.id) or _loaded(row)


def _loaded(row: Any) -> Any:
    make_transient_to_detached(row)
    db.session.add(row)
    return row
