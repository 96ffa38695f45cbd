"""The tables, columns and references that the data browser shows."""

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
from portal.data_browser.reading import readable_tables
from portal.resources.relation import relations
from portal.resources.resource import resources

KINDS = {"B": "boolean", "N": "number", "D": "moment", "E": "enum"}
NAMED = {"uuid": "uuid", "json": "json", "jsonb": "json", "bytea": "bytes"}
NO_ACCESS = "The data browser has no access to it."

ABOUT = {
    "activity": "The history: one row per event. Append-only.",
    "activity_leaves": "The leaves of the seals, one per event.",
    "activity_repeats": "Repeated events of the current minute, before they are added to the history.",
    "activity_seals": "Seals of the history, each based on the previous one.",
    "alembic_version": "The migration that was applied last.",
    "api_tokens": "API tokens that people created for their scripts.",
    "authenticators": "Authenticator apps for two-factor authentication.",
    "idempotency_keys": "Responses to programs, for repeated requests.",
    "outbox_emails": "Emails in the demo's outbox.",
    "operations": "Operations: one row per transaction, and one for each organization's part.",
    "passkeys": "Passkeys of people.",
    "recovery_codes": "Recovery codes, each of which works once.",
    "refresh_tokens": "Refresh tokens of API clients, each of which works once.",
    "sessions": "Sessions of browsers and API clients, current and ended.",
    "rate_limits": "Rate-limit counters.",
    "queue.procrastinate_events": "Events of the queue's jobs.",
    "queue.procrastinate_jobs": "Queued emails.",
    "queue.procrastinate_periodic_defers": "Recurring jobs.",
    "queue.procrastinate_workers": "Workers that send emails.",
}

# Columns that the portal derives from others for searching and sorting. They are shown on request.
INTERNAL = frozenset({"search_text", "sort_name"})

# Columns that reference a person without a foreign key, so that the person can be removed.
PEOPLE = ("created_by", "updated_by", "deleted_by", "actor_id")


@dataclass(frozen=True)
class Reference:
    """A column that references a row of another table."""

    column: str
    table: str
    target: str


@dataclass(frozen=True)
class Column:
    """A column. `secret` is the reason why it can't be read."""

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
    """A table. Its key is empty if it has none or it can't be read; its rows then have no URL."""

    name: str  # with its schema, unless it is public
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
    def default_columns(self) -> list[str]:
        """The names of the columns that are shown by default."""
        return [one.name for one in self.columns.values() if not one.is_internal]

    @property
    def has_soft_delete(self) -> bool:
        return "deleted_at" in self.columns

    def of(self, name: str) -> Any:
        return self.clause.c[name]


def all_tables(connection: Connection) -> dict[str, Table]:
    return {table.name: table for table in map(_table, readable_tables(connection))}


def table_named(tables: Mapping[str, Table], name: str) -> Table:
    """The table with this name. Raises Missing if there is none."""
    try:
        return tables[name]
    except KeyError:
        raise Missing from None


def readable_everywhere(connection: Connection) -> set[str]:
    """The names of columns that aren't secret in any table."""
    columns = [one for table in all_tables(connection).values() for one in table.columns.values()]
    return {one.name for one in columns} - {one.name for one in columns if one.secret is not None}


def counted(connection: Connection, tables: Collection[Table]) -> dict[str, Count]:
    """The number of rows of each table: counted in one statement, or estimated by the planner for large ones."""
    kinds = {one.name: Count(one.estimate, "about") for one in tables}
    small = [one for one in tables if one.estimate <= COUNTED_BELOW]
    bounded = [select(literal(1)).select_from(one.clause).limit(BOUND + 1).subquery() for one in small]
    numbers = [select(func.count()).select_from(rows).scalar_subquery().label(None) for rows in bounded]
    found = connection.execute(select(*numbers)).one() if numbers else ()
    return kinds | {one.name: Count.bounded(number, BOUND) for one, number in zip(small, found, strict=True)}


def pointing_at(tables: Mapping[str, Table], table: Table, target: str) -> list[tuple[Table, Reference]]:
    """The indexed columns of other tables that reference this column."""
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
    described = resources().get(name) or next((one for one in relations() if one.name == name), None)
    return described.about if described else ABOUT.get(name)


def _named(schema: str, name: str) -> str:
    return name if schema == "public" else f"{schema}.{name}"


def _column(table: str, row: Mapping[str, Any]) -> Column:
    return Column(
        row["name"],
        row["type"].strip('"'),
        row["category"],
        row["is_required"],
        row["is_indexed"],
        row["is_orderable"],
        row["labels"] or (),
        None if row["is_readable"] else SECRETS.get(table, {}).get(row["name"], NO_ACCESS),
    )


def _references(found: Sequence[Mapping[str, Any]], columns: Mapping[str, Column]) -> dict[str, Reference]:
    """Foreign keys with one column. The portal has none with several."""
    named = {one: Reference(one, "users", "id") for one in PEOPLE if one in columns}
    held = {
        one["columns"][0]: Reference(one["columns"][0], _named(one["schema"], one["table"]), one["targets"][0])
        for one in found
        if len(one["columns"]) == 1
    }
    return {**named, **held}
