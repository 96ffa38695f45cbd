"""Connections that the server closed while idle are replaced without errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, make_url, select, text
from sqlalchemy.exc import OperationalError

from portal.activity import seals
from portal.core.actor import Role
from portal.core.db import command, db, direct_engine
from portal.organizations.models import Organization
from tests.acting import acting, portal_on, run_concurrently
from tests.cast import Builder, Person, SignIn
from tests.database import Server
from tests.pages import PageClient
from tests.waiting import until

MANY = 5
OTHERS = "FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"

Close = Callable[[], None]


def terminated(server: Server, name: str) -> None:
    server.execute(f"SELECT pg_terminate_backend(pid, 10000) {OTHERS.format(name)}")


def terminated_meanwhile(server: Server, name: str) -> None:
    """Without waiting for the connections to end, so that they may still seem to be open."""
    server.execute(f"SELECT pg_terminate_backend(pid) {OTHERS.format(name)}")


def timed_out(server: Server, name: str) -> None:
    """The server closes idle connections by idle_session_timeout; wait until it has."""
    with psycopg.connect(make_url(server.url).set(drivername="postgresql").render_as_string(False)) as watching:
        watching.autocommit = True
        count = f"SELECT count(*) {OTHERS.format(name)}".encode()
        until(lambda: watching.execute(count).fetchone() == (0,), "connections are still open")


@pytest.fixture(params=[terminated, terminated_meanwhile, timed_out])
def close(request: pytest.FixtureRequest, database_server: Server, fresh_database: str) -> Close:
    """Close every connection of the database, in one of the ways in which servers do."""
    name = str(make_url(fresh_database).database)
    if request.param is timed_out:
        database_server.execute(f"ALTER DATABASE \"{name}\" SET idle_session_timeout = '150ms'")
    return lambda: request.param(database_server, name)


@pytest.fixture(params=[False, True], ids=["lasting settings", "settings of each transaction"])
def portal(request: pytest.FixtureRequest, fresh_database: str) -> Iterator[Flask]:
    changes = {"pools_transactions": request.param, "direct_url": fresh_database, "pool_size": MANY}
    with portal_on(fresh_database, **changes) as app:
        yield app


def fill(engine: Engine) -> None:
    """Fill the pool with connections."""
    with ExitStack() as stack:
        for _ in range(MANY):
            stack.enter_context(engine.begin())
    assert engine.pool.checkedin() == MANY  # type: ignore[attr-defined]


def status_of(client: PageClient) -> int:
    return client.get("/users/").status_code


def root_of(app: Flask) -> Person:
    return Builder(app).person("root@example.com", role=Role.SUPER_ADMIN)


def test_re1_no_request_fails_after_connections_were_closed(portal: Flask, close: Close) -> None:
    root = root_of(portal)
    clients = [PageClient(portal) for _ in range(MANY)]
    for client in clients:
        SignIn(client)(root)
    for number in range(3):
        with portal.app_context():
            fill(db.engine)
        close()
        assert clients[0].get("/readyz").status_code == 200
        close()
        answers = run_concurrently(portal, [partial(status_of, client) for client in clients])
        assert answers == [200] * MANY
        filled = clients[0].form("/organizations/new") | {"name": f"O{number}", "slug": f"o{number}"}
        close()
        made = clients[0].post("/organizations/new", data=filled)
        assert made.status_code == 303
    with acting(portal):
        assert set(db.session.scalars(select(Organization.slug))) == {"o0", "o1", "o2"}


def test_re1_every_engine_recovers_after_all_its_connections_were_closed(portal: Flask, close: Close) -> None:
    with portal.app_context():
        assert direct_engine() is not db.engine
        for engine in (db.engine, direct_engine()):
            fill(engine)
            close()
            for _ in range(MANY + 1):
                with engine.begin() as connection:
                    assert connection.execute(text("SELECT 1")).scalar() == 1


def test_re1_sealing_continues_after_all_connections_were_closed(
    portal: Flask, close: Close, caplog: pytest.LogCaptureFixture
) -> None:
    root_of(portal)
    with portal.app_context():
        fill(db.engine)
    close()

    seals.seal_at(portal, [None])

    assert not [record for record in caplog.records if record.levelname != "INFO"]
    with acting(portal):
        assert seals.unsealed() == (0, None)


@pytest.mark.parametrize("when", ["before the first statement", "between two", "before the commit"])
def test_re1_a_command_that_has_begun_is_not_repeated(
    fresh_app: Flask, database_server: Server, fresh_database: str, when: str
) -> None:
    name = str(make_url(fresh_database).database)
    runs = []

    @command
    def add() -> None:
        runs.append(when)
        db.session.connection()
        if when == "before the first statement":
            terminated(database_server, name)
        db.session.add(Organization(name="One", slug="one"))
        db.session.flush()
        if when == "between two":
            terminated(database_server, name)
            db.session.add(Organization(name="Two", slug="two"))
            db.session.flush()
        terminated(database_server, name)

    with acting(fresh_app), pytest.raises(OperationalError):
        add()

    assert runs == [when]
    with acting(fresh_app):
        assert list(db.session.scalars(select(Organization.slug))) == []


def test_a_transaction_begins_once_and_before_its_first_statement(fresh_app: Flask) -> None:
    """A second BEGIN, such as the driver's own, would cause a warning."""
    warnings: list[str] = []
    with fresh_app.app_context(), db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.add_notice_handler(lambda notice: warnings.append(str(notice.message_primary)))
        connection.begin()
        assert driver.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        connection.execute(text("SELECT 1"))
        connection.commit()
        assert driver.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    assert warnings == []
