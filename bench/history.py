"""Measure what the history costs writers, and how fast it is sealed and verified.

People are copied into a separate table; the same changes run alternately with its history triggers and
without. The table is dropped afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from bench.figures import table

MANY = 100_000
ROUNDS = 500
KEY = b"only-for-measuring-0123456789-ab"
COLUMNS = "email, first_name, last_name, role, is_active, organization_id, created_at"

Connection = psycopg.Connection[tuple[Any, ...]]


def measure(url: str) -> list[str]:
    """Two tables: what writing takes with and without the history, and how fast it is sealed and verified."""
    with psycopg.connect(url, autocommit=True) as connection, _table(connection):
        rows = connection.execute(f"SELECT 'y' || {COLUMNS} FROM bench_people LIMIT {MANY}").fetchall()  # noqa: S608
        writes: dict[str, Callable[[Connection], None]] = {
            f"UPDATE of {len(rows):,} people, s": _update,
            f"INSERT of {len(rows):,}, s": _insert,
            f"COPY of {len(rows):,}, s": lambda connection: _copy(connection, rows),
            "update of one + commit, ms": _single,
        }
        lines = [_compare(name, write, connection) for name, write in writes.items()]
        return [table([["what", "without the history", "with it", "more"], *lines]), _seal(connection)]


@contextmanager
def _table(connection: Connection) -> Iterator[None]:
    connection.execute("CREATE TABLE bench_people (LIKE users INCLUDING ALL)")
    try:
        connection.execute(
            "CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON bench_people FOR EACH ROW EXECUTE FUNCTION portal_stamp()"
        )
        connection.execute(
            f"INSERT INTO bench_people (id, {COLUMNS}) SELECT id, {COLUMNS} FROM users"  # noqa: S608
            f" WHERE deleted_at IS NULL AND organization_id IS NOT NULL LIMIT {MANY}"
        )
        connection.execute("SELECT portal_watch('bench_people', 'r.organization_id', '{password}')")
        connection.execute("VACUUM ANALYZE bench_people")
        yield
    finally:
        connection.execute("DROP TABLE bench_people")
        connection.execute("DROP FUNCTION IF EXISTS portal_history_of_bench_people, portal_names_of_bench_people")
        with connection.transaction():
            connection.execute("SELECT set_config('portal.retention', 'on', true)")
            connection.execute("DELETE FROM operations WHERE table_name = 'bench_people'")
            connection.execute("DELETE FROM activity WHERE table_name = 'bench_people'")


def _compare(name: str, write: Callable[[Connection], None], connection: Connection) -> list[str]:
    took: dict[str, list[float]] = {"DISABLE": [], "ENABLE": []}
    write(connection)  # the first run is always slower
    for _ in range(2):
        for switch, times in took.items():
            for event in ("insert", "update", "delete"):
                connection.execute(f"ALTER TABLE bench_people {switch} TRIGGER history_{event}".encode())
            connection.execute("VACUUM bench_people")
            begun = time.perf_counter()
            write(connection)
            times.append(time.perf_counter() - begun)
    factor = 1000 / ROUNDS if name.endswith("ms") else 1
    without, with_it = ([one * factor for one in times] for times in took.values())
    shown = [f"{first:.2f} / {second:.2f}" for first, second in (without, with_it)]
    more = sum(with_it) / sum(without) - 1
    return [name, *shown, f"{more:.0%}"]


def _update(connection: Connection) -> None:
    connection.execute("UPDATE bench_people SET first_name = reverse(first_name), is_active = NOT is_active")


def _insert(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(
            f"INSERT INTO bench_people ({COLUMNS}) SELECT 'x' || {COLUMNS} FROM bench_people LIMIT {MANY}"  # noqa: S608
        )


def _copy(connection: Connection, rows: list[tuple[Any, ...]]) -> None:
    with (
        connection.transaction(force_rollback=True),
        connection.cursor() as cursor,
        cursor.copy(f"COPY bench_people ({COLUMNS}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _single(connection: Connection) -> None:
    keys = connection.execute(f"SELECT id FROM bench_people LIMIT {ROUNDS}").fetchall()  # noqa: S608
    for key in keys:
        connection.execute("UPDATE bench_people SET last_name = reverse(last_name) WHERE id = %s", key)


def _seal(connection: Connection) -> str:
    """Seal a batch and verify everything, in a transaction that is rolled back."""
    with connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
        sealing = "SELECT coalesce(max(sealed), 0) FROM portal_seal_activity(ARRAY[%s::bytea], 100000)"
        sealed, sealed_in = _timed(connection, sealing, KEY)
        while _timed(connection, sealing, KEY)[0]:
            pass
        events, _ = _timed(connection, "SELECT count(*) FROM activity")
        _, verified_in = _timed(connection, "SELECT count(*) FROM portal_verify_activity(ARRAY[%s::bytea])", KEY)
    lines = [["sealing", f"{sealed:,}", f"{sealed / sealed_in:,.0f}"]]
    lines.append(["verifying", f"{events:,}", f"{events / verified_in:,.0f}"])
    return table([["what", "events", "per second"], *lines])


def _timed(connection: Connection, query: str, *values: Any) -> tuple[int, float]:
    begun = time.perf_counter()
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0], time.perf_counter() - begun
