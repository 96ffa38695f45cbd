"""A single row: its values, references in both directions, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, case, cast, func, literal, select

from portal.core.counts import Count
from portal.core.errors import Missing
from portal.data_browser.conditions import value_of
from portal.data_browser.references import Reference
from portal.data_browser.tables import Table, pointing_at
from portal.data_browser.values import Value, value_in

MOST_SHOWN = 400_000  # characters of a row, shared evenly among its columns
COUNTED = 1_000
CUT = "..."  # exists in every database encoding


@dataclass(frozen=True)
class Pointing:
    """The number of rows in another table that reference this one, with the values of their columns."""

    table: Table
    reference: Reference
    values: Sequence[str]
    count: Count

    @property
    def where(self) -> list[str]:
        return [f"{name}:is:{value}" for name, value in zip(self.reference.columns, self.values, strict=True)]


def values_of(connection: Connection, table: Table, key: Sequence[str]) -> list[Value]:
    """The value of each column of the row. Raises Missing if there is no such row."""
    texts = [func.left(cast(table.of(one.name), Text), longest(table) + 1).label(one.name) for one in table.readable]
    row = connection.execute(_with_key(select(*texts), table, key)).mappings().first()
    if row is None:
        raise Missing
    found: Mapping[Any, Any] = row
    return [value_in(table, name, found, longest(table)) for name in table.columns]


def pointing(
    connection: Connection, tables: Mapping[str, Table], table: Table, values: Sequence[Value]
) -> list[Pointing]:
    """The rows that reference this one, counted up to a bound in one statement."""
    texts = {one.column.name: one.text for one in values if one.text is not None}
    found = [
        (other, reference, [texts[name] for name in reference.targets])
        for other, reference in pointing_at(tables, table)
        if texts.keys() >= set(reference.targets)
    ]
    if not found:
        return []
    counts = connection.execute(select(*(_counted(*one) for one in found))).one()
    return [Pointing(*one, Count.bounded(count, COUNTED)) for one, count in zip(found, counts, strict=True)]


def longest(table: Table) -> int:
    """How many characters of each value to read on the page of a row."""
    return MOST_SHOWN // max(len(table.readable), 1)


def as_json(connection: Connection, table: Table, key: Sequence[str], *, internal: bool = False) -> str:
    """The row as JSON in PostgreSQL's format, without secrets. Long values are truncated and become strings."""
    shown = [one.name for one in table.readable if internal or not one.is_internal]
    row = _with_key(select(*(_bounded(table.of(name), longest(table)).label(name) for name in shown)), table, key)
    row = row.subquery("row")
    text = connection.scalar(select(cast(func.row_to_json(row.table_valued()), Text)))
    if text is None:
        raise Missing
    return json.dumps(json.loads(text), ensure_ascii=False, indent=2)


def _bounded(one: Any, most: int) -> Any:
    text = cast(one, Text)
    cut = func.to_json(func.left(text, most).concat(CUT))
    return case((func.length(text) > most, cut), else_=func.to_json(one))


def _with_key(statement: Any, table: Table, key: Sequence[str]) -> Any:
    if not table.key or len(key) != len(table.key):
        raise Missing
    columns = [table.columns[name] for name in table.key]
    return statement.where(
        *(table.of(one.name) == value_of(one, text) for one, text in zip(columns, key, strict=True))
    ).limit(1)


def _counted(other: Table, reference: Reference, values: Sequence[str]) -> Any:
    pairs = zip(reference.columns, values, strict=True)
    same = [other.of(name) == value_of(other.columns[name], value) for name, value in pairs]
    bounded = select(literal(1)).select_from(other.clause).where(*same).limit(COUNTED + 1).subquery()
    return select(func.count()).select_from(bounded).scalar_subquery()
