"""No acknowledged write is lost or half done, whatever is killed."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from portal.activity import seals
from portal.core.actor import Role
from portal.core.db import db
from portal.core.history import Activity
from portal.imports import commands, uploads
from portal.imports.models import Import
from portal.jobs import running
from portal.organizations.models import Organization
from portal.postgres.embedded import Embedded
from portal.users.models import User
from tests.acting import acting, portal_on
from tests.cast import Builder
from tests.database import migrate
from tests.imports.test_applying import received, run
from tests.reliability.browser import Browser
from tests.reliability.serving import serving
from tests.reliability.test_database_trouble import root_on, signed_in
from tests.rounds import rounds
from tests.waiting import until

KILLS_OF_WORKERS, KILLS_OF_DATABASES = rounds("KILLS", 10), rounds("KILLS", 3)


@pytest.fixture
def durable_server(tmp_path: Path) -> Iterator[Embedded]:
    """A PostgreSQL with durable writes that can be killed."""
    server = Embedded(tmp_path / "postgres")
    migrate(server.start())
    yield server
    server.stop()


@contextmanager
def writing(address: str, browser: Browser) -> Iterator[list[str]]:
    """Create organizations in three threads, and yield the acknowledged ones."""
    stopped, numbers = threading.Event(), itertools.count()
    acknowledged: list[str] = []

    def write() -> None:
        own = Browser(address, dict(browser.cookies), timeout=60)
        while not stopped.is_set():
            slug = f"made-{next(numbers)}"
            with suppress(OSError, HTTPException, AssertionError):
                if own.post("/organizations/new", {"name": slug, "slug": slug}).status == 303:
                    acknowledged.append(slug)

    with ThreadPoolExecutor(3) as pool:
        tasks = [pool.submit(write) for _ in range(3)]
        try:
            yield acknowledged
        finally:
            stopped.set()
        for task in tasks:
            task.result(timeout=60)


def until_there_are(enough: int, acknowledged: list[str]) -> None:
    until(lambda: len(acknowledged) >= enough, "writing has stopped", every=0.01)


def kill_repeatedly(kill: Callable[[], None], acknowledged: list[str], times: int) -> None:
    for _ in range(times):
        until_there_are(len(acknowledged) + 3, acknowledged)
        time.sleep(random.uniform(0, 0.05))  # noqa: S311 -- any moment will do
        kill()


def kill_postmaster(server: Embedded) -> None:
    lines = (server.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    psutil.Process(int(lines[0])).kill()


def check_ledger(server: Embedded, acknowledged: list[str], kills: int) -> None:
    """Check that acknowledged rows exist, that rows and events match, and that the seals verify."""
    with portal_on(server.url) as app, acting(app):
        made = dict(db.session.execute(select(Organization.slug, Organization.id)).all())
        recorded = set(db.session.scalars(select(Activity.row_id).where(Activity.action == "create")))
        seals.seal()
        doubts = seals.doubts()
    assert len(acknowledged) >= 3 * kills
    assert set(acknowledged) <= set(made)
    assert set(made.values()) <= recorded
    assert len(recorded) - 1 == len(made)  # one is the person who writes
    assert doubts == []


def test_re2_a_killed_worker_loses_no_acknowledged_write(durable_server: Embedded, tmp_path: Path) -> None:
    root = root_on(durable_server.url)
    with serving(durable_server.url, tmp_path, PORTAL_SEAL_SECONDS="1") as run:
        master = psutil.Process(run.process_id)

        def kill() -> None:
            for worker in master.children():
                worker.kill()

        with writing(run.address, signed_in(run.address, root)) as acknowledged:
            kill_repeatedly(kill, acknowledged, KILLS_OF_WORKERS)

    check_ledger(durable_server, acknowledged, KILLS_OF_WORKERS)


def test_re2_a_killed_database_loses_no_acknowledged_write(durable_server: Embedded, tmp_path: Path) -> None:
    root = root_on(durable_server.url)
    with serving(durable_server.url, tmp_path, PORTAL_SEAL_SECONDS="1") as run:

        def kill() -> None:
            kill_postmaster(durable_server)
            durable_server.start()

        with writing(run.address, signed_in(run.address, root)) as acknowledged:
            kill_repeatedly(kill, acknowledged, KILLS_OF_DATABASES)

    check_ledger(durable_server, acknowledged, KILLS_OF_DATABASES)


def test_re3_an_import_applies_every_row_exactly_once_even_if_the_database_is_killed(
    durable_server: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BATCH", 20)
    many = 3_000
    content = "Email\n" + "".join(f"p{number}@example.com\n" for number in range(many))
    with portal_on(durable_server.url) as app:
        build = Builder(app)
        ada = build.person("ada@example.com", role=Role.ADMIN, tenant=build.tenant("Acme"))
        import_id = received(app, ada, content)
        run(app, build.read(Import, import_id).job_id)
        with acting(app, ada):
            job_id = commands.begin(import_id)

        def kill() -> None:
            time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 -- any moment will do
            kill_postmaster(durable_server)

        for _ in range(KILLS_OF_DATABASES):
            with ThreadPoolExecutor(1) as pool:
                killing = pool.submit(kill)
                with suppress(OperationalError), app.app_context():
                    running.run(job_id)
                killing.result()
            durable_server.start()
        job = run(app, job_id)

        assert (job.state, job.done, job.failed) == ("done", many, 0)
        created = select(Activity.row_id).where(Activity.table_name == "users", Activity.action == "create")
        with acting(app):
            people = set(db.session.scalars(select(User.id).where(User.id != ada.id)))
            events = Counter(db.session.scalars(created.where(Activity.row_id != ada.id)))
        assert (len(people), events) == (many, Counter(people))
