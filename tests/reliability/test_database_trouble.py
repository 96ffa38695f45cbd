"""What people see while the database restarts, is locked or slow, and how soon it is over."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, make_url, select

from portal.core.actor import Role
from portal.core.db import db
from portal.organizations.models import Organization
from portal.postgres.embedded import Embedded
from tests.acting import acting, portal_on
from tests.cast import Builder, Person, page_client
from tests.database import app_for, disconnect, migrate
from tests.pages import PageClient
from tests.reliability.browser import Answer, Browser
from tests.reliability.serving import serving
from tests.rounds import rounds

LOOKS, LOOKS_EVERY = 100, 0.05  # five seconds, in looks so that a pause of the machine is none
RESTARTS = rounds("RESTARTS", 3)
CLIENTS = 200


@contextmanager
def locked(address: str, table: str) -> Iterator[None]:
    """Lock the table, so that nobody else reads or writes it within the block."""
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


def signed_in(address: str, person: Person) -> Browser:
    browser = Browser(address)
    assert browser.post("/login", {"email": person.email, "password": person.password}).status == 303
    return browser


def root_on(address: str) -> Person:
    app = app_for(address)
    try:
        return Builder(app).person("root@example.com", role=Role.SUPER_ADMIN)
    finally:
        disconnect(app)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Embedded]:
    """A migrated PostgreSQL that the test can stop."""
    server = Embedded(tmp_path / "postgres", durable=False)
    migrate(server.start())
    yield server
    server.stop()


def test_re1_a_restarted_database_gives_503_and_is_back_within_five_seconds(
    own_server: Embedded, tmp_path: Path
) -> None:
    root = root_on(own_server.url)
    stopped = threading.Event()
    acknowledged: list[str] = []
    statuses: Counter[int] = Counter()
    slugs = itertools.count()

    def write(browser: Browser) -> None:
        while not stopped.is_set():
            slug = f"made-{next(slugs)}"
            answer = browser.post("/organizations/new", {"name": slug, "slug": slug})
            statuses[answer.status] += 1
            if answer.status == 303:
                acknowledged.append(slug)

    def read(browser: Browser) -> None:
        while not stopped.is_set():
            statuses[browser.get("/organizations/").status] += 1

    with serving(own_server.url, tmp_path) as run, ThreadPoolExecutor(4) as pool:
        first = signed_in(run.address, root)
        tasks = [pool.submit(task, Browser(run.address, dict(first.cookies))) for task in (write, write, read, read)]
        try:
            for _ in range(RESTARTS):
                restart(own_server, first)
        finally:
            stopped.set()
        for task in tasks:
            task.result(timeout=60)

    assert set(statuses) <= {200, 303, 503}, f"{statuses}\n{run.printed}"
    assert statuses[503]
    with portal_on(own_server.url) as app, acting(app):
        made = set(db.session.scalars(select(Organization.slug)))
    assert set(acknowledged) <= made
    assert len(acknowledged) > RESTARTS


def restart(server: Embedded, browser: Browser) -> None:
    """Stop and start the server, until a page comes again."""
    time.sleep(0.3)  # so that others are busy
    server.stop()
    assert browser.get("/organizations/").status == 503
    server.start()
    for _ in range(LOOKS):
        if browser.get("/organizations/").status == 200:
            return
        time.sleep(LOOKS_EVERY)
    raise AssertionError("the portal is not back")


def test_re4_two_hundred_clients_at_a_locked_table_get_503_and_health_checks_still_work(
    fresh_database: str, tmp_path: Path
) -> None:
    root = root_on(fresh_database)
    limits = {"PORTAL_STATEMENT_TIMEOUT": "1", "PORTAL_POOL_TIMEOUT": "1"}
    with serving(fresh_database, tmp_path, **limits) as run:
        cookies = signed_in(run.address, root).cookies

        def visit(_: int) -> Answer:
            return Browser(run.address, dict(cookies)).get("/users/")

        with locked(fresh_database, "users"), ThreadPoolExecutor(CLIENTS) as pool:
            visits = [pool.submit(visit, number) for number in range(CLIENTS)]
            health = [Browser(run.address).get("/healthz").status for _ in range(10)]
            answers = [one.result() for one in visits]
        after = Browser(run.address, dict(cookies)).get("/users/")

    assert Counter(answer.status for answer in answers) == {503: CLIENTS}
    assert all(int(answer.headers["Retry-After"] or 0) > 0 for answer in answers)
    assert health == [200] * 10
    assert after.status == 200


@contextmanager
def impatient(client: PageClient, address: str, table: str) -> Iterator[None]:
    """Lock the table, while the client visits a portal that soon gives up. All else has time."""
    patient = client.application
    with portal_on(address, statement_timeout=0.4) as app, locked(address, table):
        client.application = app
        yield
    client.application = patient


def test_re6_a_request_that_waits_too_long_for_a_lock_gets_503(fresh_app: Flask, fresh_database: str) -> None:
    client = page_client(fresh_app, Builder(fresh_app).person("root@example.com", role=Role.SUPER_ADMIN))

    with impatient(client, fresh_database, "organizations"):
        page = client.get("/organizations/")
        part = client.get("/organizations/", headers={"HX-Request": "true"})

    assert (page.status_code, part.status_code) == (503, 503)
    assert page.headers["Retry-After"]
    assert "<h1" in page.text
    assert "QueryCanceled" not in page.text
    assert client.get("/organizations/").status_code == 200


def test_re6_a_write_that_waits_too_long_gets_503_and_writes_nothing(fresh_app: Flask, fresh_database: str) -> None:
    client = page_client(fresh_app, Builder(fresh_app).person("root@example.com", role=Role.SUPER_ADMIN))
    fields = client.form("/organizations/new")

    with impatient(client, fresh_database, "organizations"):
        answer = client.post("/organizations/new", data={**fields, "name": "New", "slug": "new"})

    assert answer.status_code == 503
    with acting(fresh_app):
        assert db.session.scalar(select(func.count(Organization.id))) == 0
    assert client.post("/organizations/new", data={**fields, "name": "New", "slug": "new"}).status_code == 303


def test_re4_an_empty_pool_gives_503(fresh_database: str) -> None:
    with portal_on(fresh_database, pool_size=1, pool_timeout=0.3) as app:
        client = app.test_client()
        with app.app_context(), db.engine.connect():
            answer = client.post("/login", data={})
            ready = client.get("/readyz")

        assert answer.status_code in (400, 503)
        assert ready.status_code == 503
        assert client.get("/healthz").status_code == 200


def test_re1_without_a_database_pages_are_503_and_reveal_nothing_about_it() -> None:
    with portal_on("postgresql+psycopg://nobody@127.0.0.1:1/none") as app:
        client = page_client(app)
        fields = client.form("/login")
        answers = [client.post("/login", data={**fields, "email": "a@example.com", "password": "x" * 20})]
        with client.session_transaction() as cookie:
            cookie["_user_id"] = "some token"
        answers += [
            client.get(path) for path in ("/", "/users/", "/nowhere", "/login", "/users/?q=%00", "/users/?q=%ff")
        ]
        answers += [client.post(path, data={}) for path in ("/login", "/logout", "/users/new")]
        answers.append(client.get("/users/", headers={"HX-Request": "true"}))

    for answer in answers:
        assert answer.status_code == 503, answer.request.path
        assert answer.headers["Retry-After"]
        assert not [word for word in ("127.0.0.1", "psycopg", "nobody", "Traceback") if word in answer.text]


def test_re1_no_request_fails_after_a_restart_of_the_database_while_idle(own_server: Embedded, tmp_path: Path) -> None:
    """All pooled connections are dead: those of every thread, of the worker and of sealing."""
    root = root_on(own_server.url)
    with serving(own_server.url, tmp_path, PORTAL_SEAL_SECONDS="0.3") as run, ThreadPoolExecutor(6) as pool:
        first = signed_in(run.address, root)
        browsers = [Browser(run.address, dict(first.cookies)) for _ in range(6)]
        paths = ("/organizations/", "/users/", "/activity/")
        for path in paths:
            assert [page.status for page in pool.map(lambda one, path=path: one.get(path), browsers)] == [200] * 6
            own_server.stop()
            own_server.start()

        made = browsers[0].post("/organizations/new", {"name": "One", "slug": "one"})
        read = [page.status for page in pool.map(lambda one: one.get("/users/"), browsers)]

    assert made.status == 303
    assert read == [200] * 6
    with portal_on(own_server.url) as app, acting(app):
        assert list(db.session.scalars(select(Organization.slug))) == ["one"]


def test_re1_an_idle_session_timeout_breaks_neither_pages_nor_sealing_nor_the_worker(
    own_server: Embedded, tmp_path: Path
) -> None:
    root = root_on(own_server.url)
    with portal_on(own_server.url) as app, app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER DATABASE portal SET idle_session_timeout = '50ms'")
    mail = {
        "PORTAL_URL": "http://localhost",
        "PORTAL_SMTP_URL": "smtp://127.0.0.1:1",
        "PORTAL_MAIL_FROM": "p@example.com",
    }
    with serving(own_server.url, tmp_path, PORTAL_SEAL_SECONDS="0.3", **mail) as run, ThreadPoolExecutor(6) as pool:
        first = signed_in(run.address, root)
        browsers = [Browser(run.address, dict(first.cookies)) for _ in range(6)]
        statuses = []
        for _ in range(5):
            time.sleep(0.2)  # until all connections are closed
            statuses += [page.status for page in pool.map(lambda one: one.get("/users/"), browsers)]

    assert statuses == [200] * 30
    assert "not sealed" not in run.printed
    assert "can't reach the database" not in run.printed
