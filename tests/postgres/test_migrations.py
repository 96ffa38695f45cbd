"""Migrations wait for others without making them wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import flask_migrate
import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from portal.core.db import db
from portal.postgres import migrations
from tests.database import Server, app_for, disconnect
from tests.upgrading import revisions, upgraded_with_samples
from tests.upgrading import samples as samples

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


@contextmanager
def tables_in_use(app: Flask, *, seconds: float) -> Iterator[threading.Event]:
    """Another transaction uses the tables, and ends after a while or when the event is set."""
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"]).set(drivername="postgresql")
    begun, over = threading.Event(), threading.Event()

    def read() -> None:
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            connection.execute("LOCK TABLE users, organizations IN ROW EXCLUSIVE MODE")
            begun.set()
            over.wait(seconds)

    thread = threading.Thread(target=read)
    thread.start()
    begun.wait(10)
    try:
        yield over
    finally:
        over.set()
        thread.join()


def revision_of(app: Flask) -> frozenset[str]:
    with app.app_context(), db.engine.connect() as connection:
        return migrations.applied(connection)


def test_re8_an_upgrade_retries_until_the_tables_are_free(
    behind: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("portal.postgres.migrations.LOCK_SECONDS", 0.2)

    with tables_in_use(behind, seconds=60) as release, behind.app_context():
        monkeypatch.setattr("portal.postgres.migrations.time.sleep", lambda _seconds: release.set())
        flask_migrate.upgrade()

    assert revision_of(behind) == migrations.heads()
    assert "The tables are in use; trying again" in capsys.readouterr().err


def test_re8_an_upgrade_that_never_gets_its_lock_fails_without_changes(
    behind: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.postgres.migrations.LOCK_SECONDS", 0.1)
    monkeypatch.setattr("portal.postgres.migrations.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("portal.postgres.migrations.ATTEMPTS", 3)

    with tables_in_use(behind, seconds=60):
        result = behind.test_cli_runner().invoke(args=["db", "upgrade"])

    assert result.exit_code == 1
    assert "The tables were in use for too long" in result.output
    assert revision_of(behind) == {FIRST}


def test_re8_creating_an_index_waits_for_writers_without_blocking_anybody(
    far_behind: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("portal.postgres.migrations.LOCK_SECONDS", 0.2)
    waits = []

    def read() -> None:
        with far_behind.app_context(), db.engine.connect() as connection:
            for _ in range(20):
                began = time.monotonic()
                connection.exec_driver_sql("UPDATE users SET first_name = 'x' WHERE false")
                connection.commit()
                waits.append(time.monotonic() - began)
                time.sleep(0.05)

    reader = threading.Thread(target=read)
    with tables_in_use(far_behind, seconds=1), far_behind.app_context():
        reader.start()
        flask_migrate.upgrade(revision=FIRST)
        reader.join()

    assert "trying again" not in capsys.readouterr().err
    assert max(waits) < 1
    assert len(waits) == 20


def test_re8_an_interrupted_index_is_created_again(
    far_behind: Flask, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("migrations.helpers.online.PATIENCE", "100ms")
    monkeypatch.setattr("portal.postgres.migrations.PAUSE_SECONDS", 0.2)

    with tables_in_use(far_behind, seconds=1), far_behind.app_context():
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
    monkeypatch.setattr("portal.postgres.migrations.LOCK_SECONDS", 0.1)
    url = make_url(behind.config["SQLALCHEMY_DATABASE_URI"]).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(7306086801)")
        ended = threading.Timer(1, lambda: other.execute("SELECT pg_advisory_unlock(7306086801)"))
        ended.start()
        began = time.monotonic()
        with behind.app_context():
            flask_migrate.upgrade()
        waited = time.monotonic() - began
        ended.join()

    assert waited > 0.9
    assert "Another migration of this database is running" in capsys.readouterr().err
    assert revision_of(behind) == migrations.heads()
