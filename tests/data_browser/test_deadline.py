"""One person's queries don't keep others waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask

from portal.core.actor import Role
from portal.core.db import db
from portal.core.errors import Occupied, Overdue
from portal.core.row_security import READER_ROLE
from portal.data_browser import reading as module
from portal.data_browser.reading import Answer, reading, run
from tests.acting import acting, busy
from tests.cast import Builder, Person

PRODUCTS = " + ".join(["n * n"] * 40)
LONG = f"SELECT {PRODUCTS} > 0 FROM (SELECT repeat('9', 60000)::numeric n OFFSET 0) one"  # noqa: S608
Timer = threading.Timer
GET_PLACE = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"


@pytest.fixture
def people(fresh_app: Flask) -> list[Person]:
    """Four SUPER_ADMINs."""
    build = Builder(fresh_app)
    return [build.person(f"root{number}@example.com", role=Role.SUPER_ADMIN) for number in range(4)]


def run_query(query: str, *, seconds: float = 60, most: int = 20) -> Answer:
    with reading(seconds) as connection:
        return run(connection, query, most=most)


@pytest.mark.parametrize("waits", [True, False])
def test_a_person_runs_one_query_at_a_time(fresh_app: Flask, people: list[Person], waits: bool) -> None:
    root, other = people[:2]
    with busy(fresh_app, root):
        refused = pytest.raises(Occupied, match="Your previous query is still running")
        with acting(fresh_app, root), refused as caught, reading(60, waits=waits):
            raise AssertionError("entered")
        with acting(fresh_app, other):
            assert run_query("SELECT 1").rows == [["1"]]
    with acting(fresh_app, root):
        assert run_query("SELECT 1").rows == [["1"]]

    assert caught.value.is_own


def test_only_a_few_people_run_queries_at_a_time(fresh_app: Flask, people: list[Person]) -> None:
    with busy(fresh_app, people[0]), busy(fresh_app, people[1]):
        with busy(fresh_app, people[2]), acting(fresh_app, people[3]):
            with pytest.raises(Occupied, match="Other people are running") as caught, reading(60):
                raise AssertionError("entered")
            assert not caught.value.is_own
        with acting(fresh_app, people[3]):
            assert run_query("SELECT 1").rows == [["1"]]
            with pytest.raises(Occupied), reading(60, places=2):
                raise AssertionError("entered")


def test_a_waiting_reader_gets_a_place_as_soon_as_one_is_free(
    fresh_app: Flask, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = people[0]
    one = busy(fresh_app, root)
    one.__enter__()
    monkeypatch.setattr("portal.data_browser.reading.time.sleep", lambda _seconds: one.__exit__(None, None, None))

    with acting(fresh_app, root), reading(60, waits=True) as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar_one() == READER_ROLE


def test_a_query_that_cannot_be_interrupted_is_abandoned_but_keeps_its_place(
    fresh_app: Flask, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.1)
    root = people[0]

    with acting(fresh_app, root):
        with pytest.raises(Overdue):
            run_query(LONG, seconds=0.1)
        with pytest.raises(Occupied) as caught:
            run_query("SELECT 1")
        assert caught.value.is_own
        db.session.connection().exec_driver_sql("SET LOCAL statement_timeout = 0")
        db.session.connection().exec_driver_sql(GET_PLACE, (module.ONE_EACH, str(root.id)))  # wait until it has ended
        db.session.rollback()
        assert run_query("SELECT 1").rows == [["1"]]


def test_a_connection_returned_in_time_is_not_closed(
    fresh_app: Flask, people: list[Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[threading.Timer] = []

    def timer(seconds: float, function: Callable[[], None]) -> threading.Timer:
        made.append(Timer(seconds, function))
        return made[0]

    monkeypatch.setattr(threading, "Timer", timer)

    with acting(fresh_app, people[0]):
        run_query("SELECT 1")
        made[0].run()  # as if the timer had fired a moment too late
        assert db.session.connection().exec_driver_sql("SELECT 1").scalar_one() == 1
