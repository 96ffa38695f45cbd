"""Read as a role without access to secrets, in read-only transactions that are limited in time.

The role protects secrets even if the Python code has a mistake. Queries that people write run in `portal_query`, where
PostgreSQL prevents statements from changing the role. Each person can run one query at a time, and few people at once,
across all processes: a slot is an advisory lock of the transaction, held until the server is done.
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
from portal.core.errors import NotAllowed, Occupied
from portal.core.row_security import READER_ROLE
from portal.data_browser.deadline import closing_after
from portal.data_browser.explaining import PLAN, explained, is_query
from portal.data_browser.vetting import vet

ROOM = 1_000_000  # approximate maximum of bytes in a result
LONGEST = 10_000  # characters of one value; fewer if a row has very many values
GRACE = 1.0  # seconds after the timeout in which a statement may still end by itself
PLACES = 3  # people who can run queries at once
PAUSES = (0.05, 0.1, 0.25)  # seconds between a page's attempts to get a slot
CELL = 20  # overhead of a value, in bytes
TEXT = 25  # PostgreSQL's OID of the type
OWN, ALL = "own", "all"
ONE_EACH, TOGETHER = 73_060_868, 73_060_869  # arbitrary keys for the two kinds of advisory locks
TAKE = """
SELECT set_config('role', %(role)s, true), set_config('transaction_read_only', 'on', true),
    set_config('statement_timeout', %(timeout)s, true), set_config('timezone', 'UTC', true),
    CASE WHEN NOT pg_try_advisory_xact_lock(%(one_each)s, hashtext(%(person)s)) THEN %(own)s
        WHEN EXISTS (SELECT FROM generate_series(1, %(places)s) one WHERE pg_try_advisory_xact_lock(%(together)s, one))
        THEN NULL ELSE %(all)s END
"""

# All that the role can read: tables with columns, key, foreign keys, and the first columns of indexes.
READABLE_TABLES = """
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
    """The result of a statement: names and types (OIDs) of its columns, and rows. Long values are truncated."""

    names: Sequence[str]
    types: Sequence[int]
    rows: Sequence[Sequence[str | None]]
    longest: int  # longer values were truncated
    has_more: bool
    milliseconds: float
    is_plan: bool


class NoRowsError(Exception):
    """The statement isn't a query that returns rows."""


@contextmanager
def reading(seconds: float, *, places: int = PLACES, statements: int = 1, waits: bool = False) -> Iterator[Connection]:
    """Read in a transaction as the role, and roll it back.

    Each statement is limited in time; `statements` is the number of long ones. Raises Occupied if no slot is free, at
    once or, if it `waits`, after a moment; Overdue if PostgreSQL doesn't interrupt a statement.
    """
    actor = current_actor()
    if not actor.is_unlimited:
        raise NotAllowed
    db.session.rollback()  # don't hold a connection while waiting for another
    with acting_as(actor):
        connection = _placed(str(actor.id or ""), seconds, places, PAUSES if waits else ())
        with closing_after(seconds * statements + GRACE, connection):
            yield connection


def _placed(person: str, seconds: float, places: int, pauses: Sequence[float]) -> Connection:
    """The session's connection, once its transaction has a slot. No connection is held while waiting."""
    parameters = {"role": READER_ROLE, "timeout": str(int(seconds * 1000)), "person": person, "places": places}
    kinds = {"one_each": ONE_EACH, "together": TOGETHER, "own": OWN, "all": ALL}
    for pause in (*pauses, None):
        connection = db.session.connection()
        *_, taken = connection.exec_driver_sql(TAKE, {**parameters, **kinds}).one()
        if taken is None:
            return connection
        db.session.rollback()
        if pause is not None:
            time.sleep(pause)
    if taken == OWN:
        raise Occupied("Your previous query is still running. Wait until it ends, then try again.", is_own=True)
    raise Occupied("Other people are running queries right now. Try again in a few seconds.", is_own=False)


def readable_tables(connection: Connection) -> list[dict[str, Any]]:
    """The tables that the role can read."""
    return [dict(row) for row in connection.exec_driver_sql(READABLE_TABLES).mappings()]


def run(connection: Connection, statement: str, *, most: int, room: int = ROOM) -> Answer:
    """Run one query that a person wrote, for up to `most` rows and about `room` bytes.

    Raise NoRowsError, RefusedQueryError, or psycopg's error with its position in the statement.
    """
    connection.exec_driver_sql("SAVEPOINT asked")
    try:
        plan, query = explained(statement)
        names, types = _described(connection, query)
        if not is_query(query):
            raise NoRowsError
        vet(connection, statement)
        if plan:
            names, types = [PLAN], [TEXT]
        longest = min(LONGEST * room // ROOM, room // 4 // len(names))
        began = time.perf_counter()
        asked = func.portal_query(plan + query, most + 1, room, longest + 1)
        found = connection.execute(select(asked)).scalars().all()
        took = (time.perf_counter() - began) * 1000
    finally:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT asked")
        connection.exec_driver_sql("SELECT pg_catalog.pg_advisory_unlock_all()")
    return Answer(names, types, found[:most], longest, len(found) > most or _used(found) >= room, took, bool(plan))


def _used(rows: Sequence[Sequence[str | None]]) -> int:
    """The size of a result, as `portal_query` counts it."""
    return sum(len((value or "").encode()) + CELL for row in rows for value in row)


def _described(connection: Connection, statement: str) -> tuple[list[str], list[int]]:
    """Describe the result of a statement. PostgreSQL parses it without running it, and refuses multiple statements."""
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
