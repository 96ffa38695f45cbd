"""How does the data browser read? As a role that can read no secret, where nothing can be written, for some seconds.

The role holds where the Python above is wrong. What somebody wrote runs in `portal_query` (migration 0013), out of
which PostgreSQL itself lets no statement change the role.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from sqlalchemy import Connection, func, select

from portal.core.actor import current_actor
from portal.core.db import acting_as, db
from portal.core.errors import NotAllowed
from portal.core.wall import READER_ROLE

MOST_BYTES = 4_000_000

# All that the role may read: a table with its columns, its key, what it refers to, and what an index begins with.
SHELF = """
SELECT n.nspname AS schema, c.relname AS name, obj_description(c.oid, 'pg_class') AS comment,
    c.reltuples::bigint AS estimate, pg_total_relation_size(c.oid) AS size,
    (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
        'category', t.typcategory, 'is_required', a.attnotnull,
        'is_readable', has_column_privilege(c.oid, a.attnum, 'SELECT'),
        'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
        'is_orderable', t.typcategory IN ('S', 'E', 'A') OR EXISTS (SELECT FROM pg_opclass o JOIN pg_am m
            ON m.oid = o.opcmethod WHERE m.amname = 'btree' AND o.opcdefault AND o.opcintype = t.oid),
        'is_indexed', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum
            AND i.indisvalid AND i.indpred IS NULL))
        ORDER BY a.attnum)
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    (SELECT json_agg(a.attname ORDER BY k.place) FROM pg_constraint p, unnest(p.conkey) WITH ORDINALITY k (num, place)
     JOIN pg_attribute a ON a.attnum = k.num
     WHERE p.conrelid = c.oid AND p.contype = 'p' AND a.attrelid = c.oid) AS key,
    (SELECT json_agg(json_build_object('columns', (SELECT json_agg(a.attname ORDER BY k.place)
            FROM unnest(f.conkey) WITH ORDINALITY k (num, place)
            JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num),
        'schema', (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = f.confrelid),
        'table', (SELECT relname FROM pg_class WHERE oid = f.confrelid),
        'targets', (SELECT json_agg(a.attname ORDER BY k.place)
            FROM unnest(f.confkey) WITH ORDINALITY k (num, place)
            JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num)) ORDER BY f.conname)
     FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f') AS "references"
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND has_schema_privilege(n.oid, 'USAGE')
    AND has_any_column_privilege(c.oid, 'SELECT')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT starts_with(n.nspname, 'pg_')
ORDER BY n.nspname <> 'public', n.nspname, c.relname
"""


@dataclass(frozen=True)
class Answer:
    """What a statement gave: the names and types (by number) of its columns, and its rows."""

    names: Sequence[str]
    types: Sequence[int]
    rows: Sequence[Sequence[str | None]]
    has_more: bool
    milliseconds: float


class NoRowsError(Exception):
    """The statement is one that gives no rows: it would do something, or nothing."""


@contextmanager
def reading(seconds: float) -> Iterator[Connection]:
    """A transaction of its own that reads as the role; nothing that happens in it stays."""
    actor = current_actor()
    if not actor.is_unlimited:
        raise NotAllowed
    db.session.rollback()  # no connection waits for another
    with acting_as(actor):
        told = {
            "role": READER_ROLE,
            "transaction_read_only": "on",
            "statement_timeout": str(int(seconds * 1000)),
            "timezone": "UTC",
        }
        db.session.execute(select(*(func.set_config(name, value, True) for name, value in told.items())))
        yield db.session.connection()


def shelf(connection: Connection) -> list[dict[str, Any]]:
    """The tables that the role may read."""
    return [dict(row) for row in connection.exec_driver_sql(SHELF).mappings()]


def run(connection: Connection, statement: str, *, most: int) -> Answer:
    """Run one statement that somebody wrote. NoRowsError, or psycopg's error with the place in the statement.

    Locks of the session would outlive the transaction, and be in everybody's way.
    """
    connection.exec_driver_sql("SAVEPOINT asked")
    try:
        names, types = _described(connection, statement)
        began = time.perf_counter()
        asked = func.portal_query(statement, most + 1, MOST_BYTES)
        found = connection.execute(select(asked)).scalars().all()
        took = (time.perf_counter() - began) * 1000
    finally:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT asked")
        connection.exec_driver_sql("SELECT pg_catalog.pg_advisory_unlock_all()")
    used = sum(len(value or "") for row in found for value in row)
    return Answer(names, types, found[:most], len(found) > most or used >= MOST_BYTES, took)


def _described(connection: Connection, statement: str) -> tuple[list[str], list[int]]:
    """What the statement would give. PostgreSQL parses it, and nothing runs; of two statements it refuses both."""
    driver: Any = connection.connection.driver_connection
    for answer in (
        driver.pgconn.prepare(b"", statement.encode()),
        driver.pgconn.describe_prepared(b""),
    ):
        if answer.status != ExecStatus.COMMAND_OK:
            raise error_from_result(answer, encoding="utf-8")
    if answer.nfields == 0:
        raise NoRowsError
    return (
        [(answer.fname(place) or b"").decode() for place in range(answer.nfields)],
        [answer.ftype(place) for place in range(answer.nfields)],
    )
