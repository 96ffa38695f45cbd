"""Jobs run as their owner, in batches, each of which is done exactly once whatever is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator

import pytest
from flask import Flask
from psycopg import errors as pg
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError

from portal.config import ROOT
from portal.core.actor import Role, current_actor
from portal.core.db import command, db
from portal.core.errors import Conflict, NotAllowed
from portal.core.keys import uuid7
from portal.jobs import commands, running
from portal.jobs.models import Job
from portal.organizations.models import Organization
from portal.teams.models import Team
from portal.users.models import User
from tests.acting import acting, actor_of
from tests.cast import Builder, Person, page_client
from tests.database import SECRET_KEY
from tests.jobs.counting import count, counting, job_of, started, teams
from tests.mailbox import send_queued_emails
from tests.waiting import until

TEAMS = [f"Team {number}" for number in range(5)]
QUEUED = text("SELECT task_name FROM queue.procrastinate_jobs WHERE status = 'todo'")
# A process that runs one job; between batches it waits until it is told to go on.
WORKER = """
import sys, uuid
from portal import create_app
from portal.config import load_settings
from portal.jobs import running
from tests.jobs import counting

def step(job):
    more = counting.count(job)
    print(job.done, flush=True)
    sys.stdin.readline()
    return more

app = create_app(load_settings())
with counting.counting(app, step), app.app_context():
    running.run(uuid.UUID(sys.argv[1]))
"""


@pytest.fixture
def ada(fresh_app: Flask) -> Person:
    """ADMIN of Acme, in a database of its own, because workers commit."""
    build = Builder(fresh_app)
    return build.person("ada@example.com", role=Role.ADMIN, tenant=build.tenant("Acme"))


@pytest.fixture
def portal(fresh_app: Flask) -> Iterator[Flask]:
    with counting(fresh_app):
        yield fresh_app


def change(app: Flask, person: Person, **values: object) -> None:
    @command
    def run() -> None:
        db.session.execute(update(User).where(User.id == person.id).values(values))

    with acting(app):
        run()


def test_a_worker_does_every_batch_as_the_owner(portal: Flask, ada: Person) -> None:
    actors = []

    def step(job: Job) -> bool:
        actors.append(current_actor())
        return count(job)

    job_id = started(portal, ada)
    with counting(portal, step):
        send_queued_emails(portal)

    job = job_of(portal, job_id)
    assert (job.state, job.done, job.failed, teams(portal)) == ("done", 5, 0, TEAMS)
    assert actors == [actor_of(ada)] * 3
    assert job.started_at is not None
    assert job.ended_at is not None


def test_a_job_is_queued_only_if_its_transaction_commits(portal: Flask, ada: Person) -> None:
    @command
    def fail() -> None:
        commands.start("counting", "Counting", {}, total=1)
        raise ZeroDivisionError

    with acting(portal, ada), pytest.raises(ZeroDivisionError):
        fail()
    with acting(portal):
        assert db.session.scalars(QUEUED).all() == []


def test_a_job_with_one_failed_item_does_not_look_done(portal: Flask, ada: Person) -> None:
    partly, wholly = started(portal, ada, bad=[3]), started(portal, ada, 2, bad=[0, 1])

    send_queued_emails(portal)

    assert (job_of(portal, partly).state, job_of(portal, partly).failed) == ("partly failed", 1)
    assert job_of(portal, wholly).state == "failed"


@pytest.mark.parametrize(
    "values", [{"is_active": False}, {"role": Role.USER}, {"organization_id": None}, {"deleted_at": text("now()")}]
)
def test_a_job_stops_once_its_owner_may_no_longer_do_it(portal: Flask, ada: Person, values: dict[str, object]) -> None:
    job_id = started(portal, ada)
    with portal.app_context():
        assert running._run_batch(job_id)
    change(portal, ada, **values)

    send_queued_emails(portal)

    job = job_of(portal, job_id)
    assert (job.state, job.message, job.done, teams(portal)) == ("failed", running.NO_OWNER, 2, TEAMS[:2])


def test_a_job_stops_if_the_organization_is_deleted(portal: Flask, ada: Person) -> None:
    job_id = started(portal, ada)
    with acting(portal), db.engine.begin() as connection:
        connection.execute(update(Organization).values(deleted_at=text("now()")))

    send_queued_emails(portal)

    assert (job_of(portal, job_id).state, teams(portal)) == ("failed", [])


def test_people_without_the_permission_start_no_job(portal: Flask, ada: Person) -> None:
    uma = Builder(portal).person("uma@example.com")
    for person in (uma, None):
        with acting(portal, person), pytest.raises(NotAllowed):
            commands.start("counting", "Counting", {})
    assert ada


def test_a_job_canceled_during_a_batch_loses_that_batch_only(portal: Flask, ada: Person) -> None:
    def step(job: Job) -> bool:
        more = count(job)
        if job.done == 4:
            with acting(portal, ada):
                commands.cancel(job.id)
        return more

    job_id = started(portal, ada)
    with counting(portal, step):
        send_queued_emails(portal)

    job = job_of(portal, job_id)
    assert (job.state, job.done, teams(portal)) == ("canceled", 2, TEAMS[:2])


def test_canceling_interrupts_a_long_statement_and_rolls_the_batch_back(
    portal: Flask, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    begun = threading.Event()

    def step(job: Job) -> bool:
        db.session.add(Team(id=uuid7(), organization_id=job.organization_id, name="Lost"))
        db.session.flush()
        begun.set()
        db.session.execute(select(func.pg_sleep(120)))
        return False

    def work() -> None:
        with portal.app_context():
            running.run(job_id)

    job_id = started(portal, ada)
    with counting(portal, step):
        worker = threading.Thread(target=work)
        worker.start()
        assert begun.wait(60)
        client, page = page_client(portal, ada), f"/jobs/{job_id}/"
        assert client.send(f"{page}cancel", at=page).status_code == 303
        worker.join(60)

    assert not worker.is_alive()
    assert (job_of(portal, job_id).state, teams(portal)) == ("canceled", [])
    assert "Counting canceled. Nothing was changed." in client.get(page).text
    assert "Nothing was changed." in client.get(page).text
    assert "failed" not in caplog.text


def test_a_retry_continues_after_the_last_batch(portal: Flask, ada: Person) -> None:
    def fail(job: Job) -> bool:
        if job.done == 2:
            raise Conflict(None, "Not today.")
        return count(job)

    job_id = started(portal, ada)
    with counting(portal, fail):
        send_queued_emails(portal)
    job = job_of(portal, job_id)
    assert (job.state, job.message, job.done) == ("failed", "Not today.", 2)

    with acting(portal, ada):
        commands.retry(job_id)
    send_queued_emails(portal)

    assert (job_of(portal, job_id).state, teams(portal)) == ("done", TEAMS)


def test_an_unexpected_error_ends_the_job_without_details(portal: Flask, ada: Person) -> None:
    def step(job: Job) -> bool:
        raise RuntimeError("secret detail")

    job_id = started(portal, ada)
    with counting(portal, step):
        send_queued_emails(portal)

    assert (job_of(portal, job_id).state, job_of(portal, job_id).message) == ("failed", running.FAILED)


def test_re7_an_outage_of_the_database_only_delays_a_job(portal: Flask, ada: Person) -> None:
    outages = iter([pg.DiskFull("full"), pg.AdminShutdown("ending")])

    def step(job: Job) -> bool:
        if outage := next(outages, None):
            raise OperationalError("INSERT", {}, outage)
        return count(job)

    job_id = started(portal, ada)
    for _ in range(3):
        with counting(portal, step):
            send_queued_emails(portal)
        with acting(portal), db.engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL search_path = queue")
            connection.exec_driver_sql("UPDATE procrastinate_jobs SET scheduled_at = now()")

    assert (job_of(portal, job_id).state, teams(portal)) == ("done", TEAMS)


def test_jobs_take_turns(portal: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SLICE_SECONDS", 0.000_001)  # one batch at most
    order: list[uuid.UUID] = []

    def step(job: Job) -> bool:
        order.append(job.id)
        job.advance(1)
        return job.done < 2

    jobs = [started(portal, ada, 2) for _ in range(2)]
    with counting(portal, step):
        send_queued_emails(portal)

    assert order == jobs * 2
    assert {job_of(portal, one).state for one in jobs} == {"done"}


def test_a_job_is_queued_once_however_often_it_is_continued(portal: Flask, ada: Person) -> None:
    job_id = started(portal, ada)
    with acting(portal, ada):
        commands.work_later(job_id)
    with acting(portal):
        assert db.session.scalars(QUEUED).all() == ["work"]


def test_nobody_queues_a_job_of_another_organization(portal: Flask, ada: Person) -> None:
    build = Builder(portal)
    bea = build.person("bea@example.com", role=Role.ADMIN, tenant=build.tenant("Birch"))
    job_id = started(portal, ada)
    with acting(portal), db.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL search_path = queue")
        connection.exec_driver_sql("DELETE FROM procrastinate_jobs")

    with acting(portal, bea):
        commands.work_later(job_id)

    with acting(portal):
        assert db.session.scalars(QUEUED).all() == []


@pytest.mark.parametrize("batches", [0, 1, 2])
def test_re3_a_killed_worker_leaves_every_batch_done_exactly_once(
    portal: Flask, fresh_database: str, ada: Person, batches: int
) -> None:
    """The process is killed after it has written a batch, before that commits."""
    job_id = started(portal, ada)
    worker = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", WORKER, str(job_id)],
        cwd=ROOT,
        env={"DATABASE_URL": fresh_database, "SECRET_KEY": SECRET_KEY, "PATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    for _ in range(batches):
        worker.stdout.readline()
        worker.stdin.write("\n")
        worker.stdin.flush()
    worker.stdout.readline()
    worker.send_signal(signal.SIGKILL)
    worker.communicate()

    assert job_of(portal, job_id).done == min(batches * 2, 5)
    with portal.app_context():
        running.run(job_id)

    assert (job_of(portal, job_id).state, teams(portal)) == ("done", TEAMS)


def test_a_worker_runs_jobs_although_emails_cannot_be_sent(portal: Flask, fresh_database: str, ada: Person) -> None:
    """`flask worker` has no kind `counting`, so it reports the job as failed."""
    job_id = started(portal, ada)
    worker = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
        cwd=ROOT,
        env={"DATABASE_URL": fresh_database, "SECRET_KEY": SECRET_KEY, "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: job_of(portal, job_id).state == "failed", "the job was not run")
    worker.send_signal(signal.SIGTERM)
    output, _ = worker.communicate(timeout=60)

    assert worker.returncode == 0
    assert "PORTAL_URL is not set" in output


def test_retention_removes_jobs_that_ended_long_ago(portal: Flask, ada: Person) -> None:
    old, new, running_since_long = (started(portal, ada, 1) for _ in range(3))
    with acting(portal), db.engine.begin() as connection:
        for job_id, days in ((old, 31), (new, 29)):
            values = {"ended_at": text(f"now() - interval '{days} days'"), "state": "done"}
            connection.execute(update(Job).where(Job.id == job_id).values(values))
    with acting(portal):
        commands.remove_ended(db.session.scalar(text("SELECT now() - interval '30 days'")))

    assert [job_of(portal, one) is not None for one in (old, new, running_since_long)] == [False, True, True]
