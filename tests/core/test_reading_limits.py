"""Can one person's queries keep others waiting, and can an answer be larger than a page?"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError

from portal.core import reading as module
from portal.core.actor import Role
from portal.core.db import db
from portal.core.errors import Occupied, Overdue
from portal.core.reading import LONGEST, ROOM, Answer, NoRowsError, reading, run
from portal.core.wall import READER_ROLE
from tests.acting import acting, busy
from tests.cast import Builder, Person
from tests.database import PREFIX, Server

PRODUCTS = " + ".join(["n * n"] * 40)
LONG = f"SELECT {PRODUCTS} > 0 FROM (SELECT repeat('9', 60000)::numeric n OFFSET 0) one"  # noqa: S608
Timer = threading.Timer
GET_PLACE = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"


@pytest.fixture
def people(fresh_app: Flask) -> list[Person]:
    """Four SUPER_ADMINs."""
    build = Builder(fresh_app)
    return [build.person(f"root{number}@example.com", role=Role.SUPER_ADMIN) for number in range(4)]


def asked(query: str, *, seconds: float = 5, most: int = 20) -> Answer:
    with reading(seconds) as connection:
        return run(connection, query, most=most)


@pytest.mark.parametrize("waits", [True, False])
def test_a_person_runs_one_query_at_a_time(fresh_app: Flask, people: list[Person], waits: bool) -> None:
    root, other = people[:2]
    with busy(fresh_app, root):
        refused = pytest.raises(Occupied, match="of yours is still running")
        with acting(fresh_app, root), refused as caught, reading(5, waits=waits):
            raise AssertionError("came in")
        with acting(fresh_app, other):
            assert asked("SELECT 1").rows == [["1"]]
    with acting(fresh_app, root):
        assert asked("SELECT 1").rows == [["1"]]

    assert caught.value.is_own


def test_few_people_run_queries_at_a_time(fresh_app: Flask, people: list[Person]) -> None:
    with busy(fresh_app, people[0]), busy(fresh_app, people[1]):
        with busy(fresh_app, people[2]), acting(fresh_app, people[3]):
            with pytest.raises(Occupied, match="Others are running") as caught, reading(5):
                raise AssertionError("came in")
            assert not caught.value.is_own
        with acting(fresh_app, people[3]):
            assert asked("SELECT 1").rows == [["1"]]
            with pytest.raises(Occupied), reading(5, places=2):
                raise AssertionError("came in")


def test_what_waits_gets_a_place_as_soon_as_there_is_one(
    fresh_app: Flask, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = people[0]
    one = busy(fresh_app, root)
    one.__enter__()
    monkeypatch.setattr("portal.core.reading.time.sleep", lambda _seconds: one.__exit__(None, None, None))

    with acting(fresh_app, root), reading(5, waits=True) as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == READER_ROLE


def test_nobody_waits_for_what_postgresql_does_not_interrupt_and_its_place_stays_taken(
    fresh_app: Flask, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.1)
    root = people[0]

    with acting(fresh_app, root):
        with pytest.raises(Overdue):
            asked(LONG, seconds=0.1)
        with pytest.raises(Occupied) as caught:
            asked("SELECT 1")
        assert caught.value.is_own
        db.session.connection().exec_driver_sql("SET LOCAL statement_timeout = 0")
        db.session.connection().exec_driver_sql(GET_PLACE, (module.ONE_EACH, str(root.id)))  # when it has ended
        db.session.rollback()
        assert asked("SELECT 1").rows == [["1"]]


def test_a_connection_that_was_given_back_in_time_is_left_alone(
    fresh_app: Flask, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[threading.Timer] = []

    def timer(seconds: float, function: Callable[[], None]) -> threading.Timer:
        made.append(Timer(seconds, function))
        return made[0]

    monkeypatch.setattr(threading, "Timer", timer)

    with acting(fresh_app, people[0]):
        asked("SELECT 1")
        made[0].run()  # as if it had gone off a moment too late
        assert db.session.connection().exec_driver_sql("SELECT 1").scalar_one() == 1


@pytest.mark.parametrize(
    "query",
    [
        "SELECT repeat('x', 20000000)",
        "SELECT repeat('ä', 20000000)",
        "SELECT json_build_object('a', repeat('x', 20000000))",
        "SELECT decode(repeat('00', 5000000), 'hex')",
        "SELECT array_fill('abc'::text, ARRAY[1000000])",
        "SELECT row(repeat('x', 20000000))",
        "EXPLAIN (VERBOSE, FORMAT TEXT) SELECT repeat('x', 20000000)",
    ],
)
def test_a_long_value_is_cut_in_the_database(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        answer = asked(query, seconds=20)

    assert max(len(value or "") for row in answer.rows for value in row) == LONGEST + 1
    assert not answer.has_more


@pytest.mark.parametrize(
    "query",
    [
        "SELECT repeat('x', 9000) FROM generate_series(1, 100000)",
        "SELECT '' FROM generate_series(1, 1000000)",
        f"SELECT {', '.join(['repeat(chr(120000), 5000)'] * 600)} FROM generate_series(1, 50)",  # noqa: S608
    ],
)
def test_an_answer_has_bounded_size(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        answer = asked(query, seconds=20, most=500_000)

    sent = sum(len((value or "").encode()) + module.CELL for row in answer.rows for value in row)
    assert ROOM <= sent <= 2 * ROOM + len(answer.names) * (module.CELL + 4)
    assert answer.has_more


def test_an_error_that_names_a_huge_value_is_cut_in_the_database(app: Flask, root: Person) -> None:
    with acting(app, root), pytest.raises(DBAPIError) as caught:
        asked("SELECT repeat('x', 5000000)::integer")

    assert isinstance(caught.value.orig, pg.InvalidTextRepresentation)
    assert len(str(caught.value.orig)) < 2000


@pytest.mark.parametrize(
    "explained",
    [
        "CREATE TEMP TABLE kept AS SELECT 1",
        "CREATE TABLE kept AS SELECT 1",
        "CREATE MATERIALIZED VIEW kept AS SELECT 1",
        "SELECT 1 INTO TEMP kept",
        "DELETE FROM users",
        "DECLARE c CURSOR FOR SELECT 1",
        "REFRESH MATERIALIZED VIEW kept",
    ],
)
@pytest.mark.parametrize(
    "beginning",
    [
        "EXPLAIN ",
        "EXPLAIN ANALYZE ",
        "explain analyse verbose ",
        "EXPLAIN (ANALYZE) ",
        "EXPLAIN(ANALYZE true, FORMAT 'json')",
        "/* one */ EXPLAIN -- two\n ANALYZE /* three */",
        "/* one /* two */ */ EXPLAIN ANALYZE ",
        ";EXPLAIN ANALYZE ",
        "EXPLAIN (/* one */ ANALYZE) ",
        "EXPLAIN (ANALYZE /* ) */) ",
    ],
)
def test_only_queries_are_explained(app: Flask, root: Person, beginning: str, explained: str) -> None:
    with acting(app, root), pytest.raises((NoRowsError, pg.Error, DBAPIError)) as caught:
        asked(beginning + explained)

    assert isinstance(caught.value, NoRowsError | pg.SyntaxError | pg.UndefinedTable), caught.value


@pytest.mark.parametrize(
    "query",
    [
        "EXPLAIN SELECT 1",
        "explain analyze verbose select 1",
        "EXPLAIN (SELECT 1)",
        "EXPLAIN ANALYZE (SELECT 1) UNION SELECT 2",
        "EXPLAIN (ANALYZE, BUFFERS off) VALUES (1)",
        "  /* one */ EXPLAIN -- two\n ANALYZE /* three */ WITH one AS (SELECT 1) TABLE one",
    ],
)
def test_plans_of_queries_are_shown(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        answer = asked(query)

    assert answer.names == ["QUERY PLAN"]
    assert answer.rows


def test_nobody_but_the_owner_may_create_temporary_tables(database_server: Server, template_database: str) -> None:
    allowed = "SELECT has_database_privilege(%s, %s, 'TEMPORARY')"
    with database_server._connect() as connection:
        for role in (READER_ROLE, "portal_tenant"):
            assert connection.execute(allowed, [role, PREFIX + template_database]).fetchone() == (False,)
