"""Which tables, columns and references can be looked at?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, TableClause, column, func, literal, select
from sqlalchemy import table as clause

from portal.core.counts import BOUND, COUNTED_BELOW, Count
from portal.core.errors import Missing
from portal.core.row_security import SECRETS
from portal.data_browser.reading import shelf
from portal.resources.resource import resources

KINDS = {"B": "boolean", "N": "number", "D": "moment", "E": "enum"}
NAMED = {"uuid": "uuid", "json": "json", "jsonb": "json", "bytea": "bytes"}
UNTOLD = "It is not granted to the data browser."

ABOUT = {
    "activity": "The history: one row for each event. Only ever added to.",
    "activity_leaves": "What the seals of the history are made of, one leaf an event.",
    "activity_repeats": "Repeated events of the running minute, until they are counted into the history.",
    "activity_seals": "Seals over the history, each over all before it.",
    "alembic_version": "Which migration the database is at.",
    "api_tokens": "Tokens that people made for their programs.",
    "authenticators": "Authenticator apps, the second step of a sign-in.",
    "idempotency_keys": "Answers that programs get again when they ask the same again.",
    "outbox_emails": "The demo's outbox.",
    "operations": "What one transaction did, as a whole and as each organization sees it.",
    "passkeys": "Devices that sign people in.",
    "recovery_codes": "What replaces the second step, once each.",
    "refresh_tokens": "What programs renew their access with, once each.",
    "sessions": "Browsers and programs that are or were signed in.",
    "rate_limits": "How much somebody tried lately.",
    "queue.procrastinate_events": "What became of the queue's jobs.",
    "queue.procrastinate_jobs": "Emails to be sent.",
    "queue.procrastinate_periodic_defers": "Jobs that come again by the clock.",
    "queue.procrastinate_workers": "Who sends emails.",
}

# Columns that the portal derives from others, to search and sort by. They are shown on request.
INTERNAL = frozenset({"search_text", "sort_name"})

# Columns that name a person without a constraint, so that the person can be removed.
PEOPLE = ("created_by", "updated_by", "deleted_by", "actor_id")


@dataclass(frozen=True)
class Reference:
    """A column that names a row of another table."""

    column: str
    table: str
    target: str


@dataclass(frozen=True)
class Column:
    """A column; `secret` says why nobody reads it."""

    name: str
    type: str
    category: str
    is_required: bool
    is_indexed: bool
    is_orderable: bool
    labels: Sequence[str] = ()
    secret: str | None = None

    @property
    def kind(self) -> str:
        return NAMED.get(self.type) or KINDS.get(self.category) or "text"

    @property
    def is_internal(self) -> bool:
        return self.name in INTERNAL

    @property
    def is_sortable(self) -> bool:
        return self.is_orderable and self.secret is None


@dataclass(frozen=True)
class Table:
    """A table as the browser shows it. The key is empty where none can be read: its rows have no address then."""

    name: str  # with its schema, unless that is the usual one
    comment: str | None
    estimate: int
    size: int
    columns: Mapping[str, Column]
    key: Sequence[str]
    clause: TableClause
    references: Mapping[str, Reference] = field(default_factory=dict)

    @cached_property
    def readable(self) -> list[Column]:
        return [one for one in self.columns.values() if one.secret is None]

    @cached_property
    def usual(self) -> list[str]:
        """The names of the columns that are shown by default."""
        return [one.name for one in self.columns.values() if not one.is_internal]

    @property
    def knows_deleted(self) -> bool:
        return "deleted_at" in self.columns

    def of(self, name: str) -> Any:
        return self.clause.c[name]


def all_tables(connection: Connection) -> dict[str, Table]:
    return {table.name: table for table in map(_table, shelf(connection))}


def table_named(tables: Mapping[str, Table], name: str) -> Table:
    """Missing where nothing of that name can be looked at."""
    try:
        return tables[name]
    except KeyError:
        raise Missing from None


def readable_everywhere(connection: Connection) -> set[str]:
    """The names of columns that aren't secret in any table."""
    columns = [one for table in all_tables(connection).values() for one in table.columns.values()]
    return {one.name for one in columns} - {one.name for one in columns if one.secret is not None}


def counted(connection: Connection, tables: Collection[Table]) -> dict[str, Count]:
    """How many rows each table has: counted in one statement, or for large ones what the planner thinks."""
    kinds = {one.name: Count(one.estimate, "about") for one in tables}
    small = [one for one in tables if one.estimate <= COUNTED_BELOW]
    bounded = [select(literal(1)).select_from(one.clause).limit(BOUND + 1).subquery() for one in small]
    numbers = [select(func.count()).select_from(rows).scalar_subquery().label(None) for rows in bounded]
    found = connection.execute(select(*numbers)).one() if numbers else ()
    return kinds | {one.name: Count.bounded(number, BOUND) for one, number in zip(small, found, strict=True)}


def pointing_at(tables: Mapping[str, Table], table: Table, target: str) -> list[tuple[Table, Reference]]:
    """The indexed columns of other tables that name a row of this one by that column."""
    return [
        (other, reference)
        for other in tables.values()
        for reference in other.references.values()
        if (reference.table, reference.target) == (table.name, target) and other.columns[reference.column].is_indexed
    ]


def _table(row: Mapping[str, Any]) -> Table:
    name = _named(row["schema"], row["name"])
    columns = {one["name"]: _column(name, one) for one in row["columns"]}
    key = row["key"] or []
    return Table(
        name,
        row["comment"] or _about(name),
        max(row["estimate"], 0),
        row["size"],
        columns,
        key if all(columns[one].secret is None for one in key) else [],
        clause(row["name"], *(column(one) for one in columns), schema=row["schema"]),
        _references(row["references"] or [], columns),
    )


def _about(name: str) -> str | None:
    described = resources().get(name)
    return described.about if described else ABOUT.get(name)


def _named(schema: str, name: str) -> str:
    return name if schema == "public" else f"{schema}.{name}"


def _column(table: str, told: Mapping[str, Any]) -> Column:
    return Column(
        told["name"],
        told["type"].strip('"'),
        told["category"],
        told["is_required"],
        told["is_indexed"],
        told["is_orderable"],
        told["labels"] or (),
        None if told["is_readable"] else SECRETS.get(table, {}).get(told["name"], UNTOLD),
    )


def _references(found: Sequence[Mapping[str, Any]], columns: Mapping[str, Column]) -> dict[str, Reference]:
    """Of one column each; those of several would need an address of their own, and there are none."""
    named = {one: Reference(one, "users", "id") for one in PEOPLE if one in columns}
    held = {
        one["columns"][0]: Reference(one["columns"][0], _named(one["schema"], one["table"]), one["targets"][0])
        for one in found
        if len(one["columns"]) == 1
    }
    return {**named, **held}
