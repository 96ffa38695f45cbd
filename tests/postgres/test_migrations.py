"""Migrations wait for others without making them wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import flask_migrate
import pytest
from flask import Flask

from portal.core.db import db
from portal.postgres import migrations
from tests.database import Server, app_for, connect, disconnect
from tests.upgrading import revisions, upgraded_with_samples
from tests.upgrading import samples as samples
from tests.waiting import until

FIRST, SECOND = "sample_1_indexes", "sample_2_nicknames"  # the first begins with an index, the second with a lock
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"


@contextmanager
def app_before(revision: str, server: Server) -> Iterator[Flask]:
    app = upgraded_with_samples(app_for(server.create("behind")))
    names = revisions()
    with app.app_context():
        flask_migrate.upgrade(revision=names[names.index(revision) - 1])
    yield app
    disconnect(app)
    server.drop("behind")


@pytest.fixture
def behind(database_server: Server, samples: None) -> Iterator[Flask]:
    """On a database that lacks the second sample."""
    with app_before(SECOND, database_server) as app:
        yield app


@pytest.fixture
def far_behind(database_server: Server, samples: None) -> Iterator[Flask]:
    """On a database that lacks both samples."""
    with app_before(FIRST, database_server) as app:
        yield app


CREATION_WAITS = """
SELECT FROM pg_stat_activity
WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
"""


@contextmanager
def tables_in_use(app: Flask) -> Iterator[Callable[[], None]]:
    """Another transaction uses the tables, until the block ends or calls what it was given."""
    with connect(app.config["SQLALCHEMY_DATABASE_URI"]) as connection:
        connection.autocommit = False
        connection.execute("LOCK TABLE users, organizations IN ROW EXCLUSIVE MODE")
        yield lambda: connection.rollback()


def revision_of(app: Flask) -> frozenset[str]:
    with app.app_context(), db.engine.connect() as connection:
        return migrations.applied(connection)


def test_re8_an_upgrade_retries_until_the_tables_are_free(
    behind: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("portal.postgres.migrations.LOCK_SECONDS", 0.2)

    with tables_in_use(behind) as release, behind.app_context():
        monkeypatch.setattr("portal.postgres.migrations.time.sleep", lambda _seconds: release())
        flask_migrate.upgrade()

    assert revision_of(behind) == migrations.heads()
    assert "The tables are in use; trying again" in capsys.readouterr().err


def test_re8_an_upgrade_that_never_gets_its_lock_fails_without_changes(
    behind: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.postgres.migrations.LOCK_SECONDS", 0.1)
    monkeypatch.setattr("portal.postgres.migrations.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("portal.postgres.migrations.ATTEMPTS", 3)

    with tables_in_use(behind):
        result = behind.test_cli_runner().invoke(args=["db", "upgrade"])

    assert result.exit_code == 1
    assert "The tables were in use for too long" in result.output
    assert revision_of(behind) == {FIRST}


def test_re8_creating_an_index_waits_for_writers_without_blocking_anybody(
    far_behind: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("portal.postgres.migrations.LOCK_SECONDS", 0.2)

    def write(release: Callable[[], None]) -> None:
        with connect(far_behind.config["SQLALCHEMY_DATABASE_URI"]) as connection:
            until(lambda: connection.execute(CREATION_WAITS).fetchone() == (), "the creation of the index doesn't wait")
            connection.execute("SET statement_timeout = '60s'")
            for _ in range(5):
                connection.execute("UPDATE users SET first_name = 'x' WHERE false")
        release()

    with ThreadPoolExecutor(1) as pool, tables_in_use(far_behind) as release, far_behind.app_context():
        writer = pool.submit(write, release)
        flask_migrate.upgrade(revision=FIRST)
        writer.result()

    assert "trying again" not in capsys.readouterr().err


def test_re8_an_interrupted_index_is_created_again(
    far_behind: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("migrations.helpers.online.PATIENCE", "100ms")

    with tables_in_use(far_behind) as release, far_behind.app_context():
        monkeypatch.setattr("portal.postgres.migrations.time.sleep", lambda _seconds: release())
        flask_migrate.upgrade()

    assert revision_of(far_behind) == migrations.heads()
    assert "The tables are in use; trying again" in capsys.readouterr().err
    with far_behind.app_context(), db.engine.connect() as connection:
        assert connection.exec_driver_sql(INVALID).scalars().all() == []


def test_re8_nobody_waits_two_seconds_behind_a_waiting_migration() -> None:
    assert migrations.LOCK_SECONDS < 2


def test_re8_an_upgrade_waits_for_another_however_long_it_takes(
    behind: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses = list[float]()
    with connect(behind.config["SQLALCHEMY_DATABASE_URI"]) as other, behind.app_context():
        other.execute("SELECT pg_advisory_lock(7306086801)")

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if sum(pauses) > 100:
                other.execute("SELECT pg_advisory_unlock(7306086801)")

        monkeypatch.setattr("portal.postgres.migrations.time.sleep", pause)
        flask_migrate.upgrade()

    assert sum(pauses) > migrations.ATTEMPTS * (migrations.LOCK_SECONDS + migrations.PAUSE_SECONDS)
    assert "Another migration of this database is running" in capsys.readouterr().err
    assert revision_of(behind) == migrations.heads()
