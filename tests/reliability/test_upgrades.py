"""Nobody waits long while a large database is upgraded by later migrations or their samples."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import flask_migrate
import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from tests.database import Server, app_for, disconnect
from tests.rounds import rounds
from tests.upgrading import INITIAL, revisions, upgraded_with_samples
from tests.upgrading import samples as samples

PEOPLE = rounds("PEOPLE", 100_000)
LONGEST = 2.0
LOOKS_EVERY = 0.05
WAITING = """
SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'people' AND wait_event_type = 'Lock'
"""
FILL = """
    INSERT INTO organizations (name, slug) SELECT 'Home ' || n, 'home-' || n FROM generate_series(1, 100) n;
    INSERT INTO users (email, first_name, last_name, organization_id, created_at)
    SELECT 'person' || n || '@example.com', 'First' || n, 'Last' || n, o.id, now() - random() * interval '900 days'
    FROM generate_series(1, {0}) n JOIN organizations o ON o.slug = 'home-' || 1 + n % 100;
    INSERT INTO refresh_tokens (token, user_id, organization_id, expires_at)
    SELECT 'token ' || email, id, organization_id, now() + (random() - 0.5) * interval '7 days'
    FROM users LIMIT {0} / 5;
    ANALYZE;
"""
LOAD = (
    "SELECT * FROM users WHERE lower(email) = 'person{0}@example.com' AND deleted_at IS NULL",
    "SELECT id, email FROM users WHERE deleted_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 20",
    "UPDATE users SET first_name = 'Other' WHERE lower(email) = 'person{0}@example.com' AND deleted_at IS NULL",
    "INSERT INTO refresh_tokens (token, user_id, expires_at)"
    " SELECT gen_random_uuid()::text, id, now() + interval '1 day'"
    " FROM users WHERE lower(email) = 'person{0}@example.com' AND deleted_at IS NULL",
    "UPDATE organizations SET name = 'Other {0}' WHERE slug = 'home-{0}'",
)  # fmt: skip


@pytest.fixture
def large_app(database_server: Server, samples: None) -> Iterator[Flask]:
    """A portal with the initial migrations and many people."""
    app = upgraded_with_samples(app_for(database_server.create("large_app")))
    with app.app_context():
        flask_migrate.upgrade(revision=INITIAL)
    with connect(app) as connection:
        connection.execute(FILL.format(PEOPLE).encode())
    yield app
    disconnect(app)
    database_server.drop("large_app")


def connect(app: Flask) -> psycopg.Connection[tuple[object, ...]]:
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"]).set(drivername="postgresql")
    return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True, application_name="people")


def work(app: Flask, stopped: threading.Event, number: int) -> None:
    """Repeat the statements of requests."""
    with connect(app) as connection:
        while not stopped.is_set():
            number = number % 97 + 1
            for statement in LOAD:
                connection.execute(statement.format(number).encode())


def worst_wait(app: Flask, stopped: threading.Event) -> float:
    """How long one statement waited for a lock. Looks are counted, so that a pause of the machine is no wait."""
    looks = Counter[object]()
    with connect(app) as connection:
        while not stopped.wait(LOOKS_EVERY):
            looks.update(connection.execute(WAITING.encode()).fetchall())
    return max(looks.values(), default=0) * LOOKS_EVERY


def test_re8_nobody_waits_two_seconds_during_any_step_of_an_upgrade(large_app: Flask) -> None:
    worst, names = {}, revisions()
    for revision in names[names.index(INITIAL) + 1 :]:
        stopped = threading.Event()
        with ThreadPoolExecutor(4) as pool, large_app.app_context():
            people = [pool.submit(work, large_app, stopped, number) for number in (1, 33, 66)]
            waiting = pool.submit(worst_wait, large_app, stopped)
            try:
                flask_migrate.upgrade(revision=revision)
            finally:
                stopped.set()
        worst[revision] = waiting.result()
        assert [one.result() for one in people] == [None] * 3

    assert max(worst.values()) < LONGEST, worst
    assert len(worst) >= 2
    with connect(large_app) as connection:
        assert connection.execute(b"SELECT count(*) FILTER (WHERE nickname IS NULL) FROM users").fetchone() == (0,)
        assert connection.execute(b"SELECT count(*) FROM refresh_tokens WHERE expires_at < now()").fetchone() == (0,)
