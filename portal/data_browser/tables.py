"""The tables, columns and references that the data browser shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, TableClause, column, func, literal, select
from sqlalchemy import table as clause

from portal.core.counts import BOUND, COUNTED_BELOW, Count
from portal.core.errors import Missing
from portal.core.row_security import SECRETS
from portal.data_browser.reading import readable_tables
from portal.data_browser.references import KEPT, Reference
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
    "brands": "Versions of the product name, accent color and logo.",
    "daily_totals": "How many people came and left, and how many sign-ins there were, by day and organization.",
    "follows": "Organizations and people that somebody follows, for a daily email.",
    "idempotency_keys": "Responses to programs, for repeated requests.",
    "import_parts": "The contents of imported files.",
    "import_rows": "Rows of imported files, and what became of each.",
    "imports": "Files that people imported.",
    "jobs": "Long tasks that a worker carries out.",
    "list_arrangements": "How people arrange their lists.",
    "organization_sizes": "How many people of an organization can sign in, and how many of them with two factors.",
    "outbox_emails": "Emails in the demo's outbox.",
    "operations": "Operations: one row per transaction, and one for each organization's part.",
    "passkeys": "Passkeys of people.",
    "recovery_codes": "Recovery codes, each of which works once.",
    "refresh_tokens": "Refresh tokens of API clients, each of which works once.",
    "saved_views": "Lists that people saved, with filters, sorting and columns.",
    "search_words": "Words of people, organizations and teams, for suggestions when a search finds nothing.",
    "size_changes": "What the running transaction changes about the sizes of organizations and teams.",
    "sessions": "Sessions of browsers and API clients, current and ended.",
    "rate_limits": "Rate-limit counters.",
    "team_sizes": "How many members of a team can sign in, and how many of them its organization can see.",
    "unadministered": "Organizations without an administrator who can sign in.",
    "user_totals": "How many people each organization has, by role and status, and all of them together.",
    "queue.procrastinate_events": "Events of the queue's jobs.",
    "queue.procrastinate_jobs": "Queued emails, and the next batches of jobs.",
    "queue.procrastinate_periodic_defers": "Recurring jobs.",
    "queue.procrastinate_workers": "Workers that send emails and run jobs.",
}

# Columns that the portal derives from others for searching and sorting. They are shown on request.
INTERNAL = frozenset({"search_text", "sort_name"})


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
    references: Mapping[str, Reference] = field(default_factory=dict)  # by column

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
    rows = readable_tables(connection)
    tables = {table.name: table for table in map(_table, rows)}
    keys = {name: row["references"] or [] for name, row in zip(tables, rows, strict=True)}
    return {name: replace(table, references=_references(keys[name], table, tables)) for name, table in tables.items()}


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


def pointing_at(tables: Mapping[str, Table], table: Table) -> list[tuple[Table, Reference]]:
    """The references of other tables to this one that an index can look up."""
    return [
        (other, reference)
        for other in tables.values()
        for reference in dict.fromkeys(other.references.values())
        if reference.table == table.name and any(other.columns[name].is_indexed for name in reference.columns)
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


def _references(keys: Sequence[Mapping[str, Any]], table: Table, tables: Mapping[str, Table]) -> dict[str, Reference]:
    """The reference of each column that has one. Of several, one with few columns, and rather a foreign key."""
    kept = [Reference((name,), *target) for name, target in KEPT.items() if _is_same(table, name, tables, *target)]
    held = [
        Reference(tuple(one["columns"]), _named(one["schema"], one["table"]), tuple(one["targets"])) for one in keys
    ]
    known = [one for one in (*kept, *held) if one.table in tables and _can_read(tables[one.table], one.targets)]
    known.sort(key=lambda one: len(one.columns), reverse=True)
    return {name: one.in_order(tables[one.table].key) for one in known for name in one.columns}


def _is_same(table: Table, name: str, tables: Mapping[str, Table], other: str, targets: Sequence[str]) -> bool:
    """Whether both have these columns, of the same type."""
    target = tables[other].columns.get(targets[0]) if other in tables else None
    return name in table.columns and target is not None and table.columns[name].type == target.type


def _can_read(table: Table, names: Sequence[str]) -> bool:
    return all(name in table.columns and table.columns[name].secret is None for name in names)
