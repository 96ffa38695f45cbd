"""Every email is sent once its transaction has committed, whatever happens to servers, workers and people."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from flask import Flask
from procrastinate.jobs import Job
from sqlalchemy import select, text

from portal.config import ROOT
from portal.core.actor import SYSTEM
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.errors import Conflict
from portal.core.keys import uuid7
from portal.mail import queue
from portal.mail.commands import send_later
from portal.mail.models import OutboxEmail
from portal.mail.post import Undelivered, Unwanted
from portal.users.commands import users
from portal.web.given import current_settings
from tests.acting import acting
from tests.cast import Builder, Person
from tests.database import SECRET_KEY
from tests.mail.postbox import Postbox, postbox
from tests.mailbox import jobs, send_queued_emails, waiting
from tests.waiting import until

STATES = text(
    "SELECT status::text, attempts, scheduled_at > now() FROM queue.procrastinate_jobs"
    " WHERE queue_name = 'emails' ORDER BY id"
)

WITHIN = text("SET LOCAL search_path = queue")


@pytest.fixture
def box(fresh_app: Flask) -> Iterator[Postbox]:
    """A mail server that the portal is configured to use."""
    with postbox() as box:
        settings = current_settings.of(fresh_app)
        current_settings.set(fresh_app, replace(settings, smtp_url=box.url, mail_from="Portal <portal@example.com>"))
        yield box


@pytest.fixture
def nia(fresh_app: Flask) -> Person:
    return Builder(fresh_app).person("nia@example.com")


def states(app: Flask) -> list[tuple[str, int, bool | None]]:
    with acting(app):
        return [(state, attempts, is_later) for state, attempts, is_later in db.session.execute(STATES)]


def enqueue(app: Flask, kind: str, user_id: uuid.UUID) -> None:
    with acting(app):
        send_later(kind, user_id)


def test_a_delivered_email_leaves_the_queue(fresh_app: Flask, box: Postbox, nia: Person) -> None:
    enqueue(fresh_app, "verification", nia.id)

    send_queued_emails(fresh_app)

    (message,) = box.emails
    assert (message["To"], message["Subject"]) == (nia.email, "Confirm your email address")
    assert states(fresh_app) == []


def test_a_job_contains_only_ids(fresh_app: Flask) -> None:
    guest = Builder(fresh_app).person("guest@example.com", invited_at=now())
    with acting(fresh_app):
        users.update(guest.id, 1, {"email": "new@example.com"})

    changed, invitation = waiting(fresh_app)

    assert invitation == {"kind": "invitation", "user_id": str(guest.id)}
    assert set(changed) == {"kind", "user_id", "event"}
    assert isinstance(changed["event"], int)


def test_a_failed_command_leaves_no_job(fresh_app: Flask, nia: Person) -> None:
    @command
    def fail() -> None:
        send_later("password_changed", nia.id)
        raise ZeroDivisionError

    with acting(fresh_app):
        with pytest.raises(ZeroDivisionError):
            fail()
        with pytest.raises(Conflict):
            users.create({"email": nia.email}, row_id=uuid7(), anew=True)

    assert jobs(fresh_app) == []


def test_a_tenants_own_transaction_can_queue_an_email(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    uma = build.person("uma@example.com", tenant=build.tenant("Acme"))

    with acting(fresh_app, uma):
        send_later("password_changed", uma.id)

    assert jobs(fresh_app) == [("password_changed", uma.id)]


def test_an_unknown_kind_of_email_is_refused_at_once(app: Flask) -> None:
    with acting(app), pytest.raises(ValueError, match="unknown kind of email"):
        send_later("nonsense", uuid7())


def test_people_deleted_in_the_meantime_get_no_email_and_nothing_fails(
    fresh_app: Flask, box: Postbox, nia: Person
) -> None:
    for kind in ("invitation", "password_reset", "verification", "password_changed", "email_changed", "replay"):
        enqueue(fresh_app, kind, nia.id)
        enqueue(fresh_app, kind, uuid7())
    with acting(fresh_app):
        users.delete(nia.id)

    send_queued_emails(fresh_app)

    assert (box.emails, states(fresh_app)) == ([], [])


def test_an_unreachable_mail_server_loses_no_email(fresh_app: Flask, box: Postbox, nia: Person) -> None:
    enqueue(fresh_app, "replay", nia.id)
    box.answer = "451 Not now"

    send_queued_emails(fresh_app)
    assert states(fresh_app) == [("todo", 1, True)]

    box.answer = "250 OK"
    with acting(fresh_app):
        db.session.execute(WITHIN)
        db.session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now()"))
        db.session.commit()
    send_queued_emails(fresh_app)
    assert [message["To"] for message in box.emails] == [nia.email]
    assert states(fresh_app) == []


def test_a_permanently_refused_email_is_kept_as_failed(fresh_app: Flask, box: Postbox, nia: Person) -> None:
    enqueue(fresh_app, "replay", nia.id)
    box.refuses = "550 Nobody here"

    send_queued_emails(fresh_app)

    assert [state for state, _, _ in states(fresh_app)] == ["failed"]


def test_no_email_goes_to_an_invalid_address(fresh_app: Flask, box: Postbox) -> None:
    person = Builder(fresh_app).person("anne berg@example.com")
    enqueue(fresh_app, "password_changed", person.id)

    send_queued_emails(fresh_app)

    assert box.emails == []
    assert [state for state, *_ in states(fresh_app)] == ["failed"]


def test_an_internal_address_gets_email_exactly_as_stored(fresh_app: Flask, box: Postbox) -> None:
    person = Builder(fresh_app).person("Old.Style@corp")
    enqueue(fresh_app, "password_changed", person.id)

    send_queued_emails(fresh_app)

    assert box.recipients == ["Old.Style@corp"]


def test_an_international_address_is_passed_to_a_server_with_smtputf8(fresh_app: Flask, box: Postbox) -> None:
    person = Builder(fresh_app).person("josé@xn--mller-kva.example")
    enqueue(fresh_app, "password_changed", person.id)

    send_queued_emails(fresh_app)

    assert box.recipients == ["josé@xn--mller-kva.example"]


def test_retries_are_up_to_an_hour_apart_and_never_stop_for_an_unreachable_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pause(attempts: int, error: Exception) -> float | None:
        job = Job(id=1, queue="emails", lock=None, queueing_lock=None, task_name="send", attempts=attempts)
        decided: Any = queue.Backoff().get_retry_decision(exception=error, job=job)
        return float(decided["retry_in"]["seconds"]) if decided else None

    monkeypatch.setattr(queue, "RetryDecision", dict)  # which would read the clock

    pauses = [pause(attempts, Undelivered("gone")) for attempts in (0, 1, 2, 50, 10_000)]

    assert pauses == [10, 20, 40, 3600, 3600]
    assert pause(0, Unwanted("nobody")) is None
    assert pause(3, ZeroDivisionError()) is not None
    assert pause(queue.MOST_UNEXPECTED, ZeroDivisionError()) is None


def kill_worker(app: Flask) -> None:
    """Leave what is queued as a worker that was killed leaves it."""
    with acting(app):
        db.session.execute(WITHIN)
        killed = "INSERT INTO queue.procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 h') RETURNING id"
        key = db.session.scalar(text(killed))
        begun = text("UPDATE queue.procrastinate_jobs SET status = 'doing', worker_id = :key")
        db.session.execute(begun, {"key": key})
        db.session.commit()


def test_a_killed_workers_job_is_done_by_the_next_worker(fresh_app: Flask, box: Postbox, nia: Person) -> None:
    """Delivery is at least once, because nobody can know whether the email was sent before the kill."""
    enqueue(fresh_app, "replay", nia.id)
    kill_worker(fresh_app)

    def sent() -> bool:
        send_queued_emails(fresh_app)
        return bool(box.emails)

    until(sent, "the email was not sent")

    assert [message["To"] for message in box.emails] == [nia.email]
    assert states(fresh_app) == []


def test_a_worker_that_was_killed_after_queuing_the_next_batches_holds_up_nothing(
    fresh_app: Flask, nia: Person
) -> None:
    queued = text("INSERT INTO queue.procrastinate_jobs (queue_name, task_name, lock, queueing_lock, args)"
                  " VALUES ('jobs', 'work', :key, :key, jsonb_build_object('job_id', CAST(:key AS text)))")  # fmt: skip
    for kills in (True, False):
        with acting(fresh_app):
            db.session.execute(WITHIN)
            db.session.execute(queued, {"key": str(nia.id)})
            db.session.commit()
        if kills:
            kill_worker(fresh_app)

    def is_done() -> bool:
        send_queued_emails(fresh_app)
        with acting(fresh_app):
            return not db.session.scalar(text("SELECT count(*) FROM queue.procrastinate_jobs"))

    until(is_done, "a job is stuck")


def test_the_demo_keeps_emails_in_the_outbox(fresh_app: Flask, nia: Person) -> None:
    enqueue(fresh_app, "verification", nia.id)

    send_queued_emails(fresh_app)

    with fresh_app.app_context(), acting_as(SYSTEM):
        kept = db.session.scalars(select(OutboxEmail)).one()
        assert (kept.recipient, kept.subject) == (nia.email, "Confirm your email address")
        assert kept.link is not None
        assert kept.link in kept.content


def test_flask_worker_sends_emails_and_stops_cleanly_on_a_signal(
    fresh_app: Flask, fresh_database: str, nia: Person
) -> None:
    with postbox() as box:
        worker = run_worker(
            DATABASE_URL=fresh_database,
            PORTAL_SMTP_URL=box.url,
            PORTAL_MAIL_FROM="portal@example.com",
            PORTAL_URL="https://portal.example.com",
        )
        for number in range(1, 4):
            enqueue(fresh_app, "replay", nia.id)
            until(partial(lambda most: len(box.emails) >= most, number), "an email was not sent")
        worker.send_signal(signal.SIGTERM)

        assert worker.wait(timeout=60) == 0, worker.communicate()[0]
        assert worker.communicate()[0] == ""
        assert len(box.emails) == 3
    assert states(fresh_app) == []


OLD_AND_NEW = (
    "DELETE FROM daily_totals",
    "INSERT INTO daily_totals (day, added, removed, sign_ins) SELECT current_date - age, 1, 0, 0"
    " FROM unnest(ARRAY[402, 2]) age",
    "INSERT INTO sessions (token, user_id, idle, expires_at, ends_at) SELECT age::text, u.id, '1 h', now() - age,"
    " now() - age FROM users u, unnest(ARRAY[interval '91 days', interval '89 days']) age",
    "INSERT INTO outbox_emails (user_id, recipient, subject, content, kept_at)"
    " SELECT u.id, 'a@example.com', 'x', 'x', now() - age"
    " FROM users u, unnest(ARRAY[interval '31 days', interval '29 days']) age",
    "INSERT INTO queue.procrastinate_jobs (queue_name, task_name) SELECT 'emails', 'send' FROM generate_series(1, 2)",
    "UPDATE queue.procrastinate_jobs SET status = 'failed'",
    "UPDATE queue.procrastinate_events SET at = now() - interval '31 days'"
    " WHERE job_id = (SELECT min(id) FROM queue.procrastinate_jobs)",
    "INSERT INTO jobs (owner_id, kind, title, state, ended_at) SELECT u.id, 'x', 'x', 'done', now() - age"
    " FROM users u, unnest(ARRAY[interval '31 days', interval '29 days']) age",
    "INSERT INTO imports (owner_id, name, form, headings, fields, created_at) SELECT u.id, 'x', 'x', '{}', '{}',"
    " now() - age FROM users u, unnest(ARRAY[interval '31 days', interval '29 days']) age",
    "INSERT INTO idempotency_keys (key, fingerprint, created_at) SELECT age::text::bytea, 'x', now() - age"
    " FROM unnest(ARRAY[interval '25 h', interval '23 h']) age",
    "INSERT INTO rate_limits (key, free_at) SELECT age::text::bytea, now() - age"
    " FROM unnest(ARRAY[interval '1 s', interval '-1 h']) age",
)
KINDS = (
    "daily_totals", "sessions", "imports", "jobs", "outbox_emails", "queue.procrastinate_jobs", "idempotency_keys",
    "rate_limits",
)  # fmt: skip
WORDS = {"words of removed rows": 0}  # none were removed


@pytest.fixture
def old_rows(fresh_app: Flask, nia: Person) -> Flask:
    """Two rows of each kind, of which one is old enough to be removed."""
    assert nia
    with fresh_app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL search_path = public, queue")
        for statement in OLD_AND_NEW:
            connection.exec_driver_sql(statement)
    return fresh_app


def remaining(app: Flask) -> list[int]:
    with app.app_context(), db.engine.connect() as connection:
        return [connection.exec_driver_sql(f"SELECT count(*) FROM {kind}").scalar_one() for kind in KINDS]  # noqa: S608


def workers_running(app: Flask) -> int:
    with app.app_context(), db.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM queue.procrastinate_workers").scalar_one())


def test_retention_removes_exactly_the_old_rows(old_rows: Flask) -> None:
    with old_rows.app_context():
        first, second = queue.remove_old_rows(), queue.remove_old_rows()

    assert first == dict.fromkeys(first, 1) | WORDS
    assert len(first) == len(KINDS) + 1
    assert set(second.values()) == {0}
    assert remaining(old_rows) == [1] * len(KINDS)


def test_retention_periods_are_settings(old_rows: Flask) -> None:
    settings = current_settings.of(old_rows)
    current_settings.set(old_rows, replace(settings, keep_sessions_days=80, keep_emails_days=40))

    with old_rows.app_context():
        removed = queue.remove_old_rows()

    kept = {
        "totals by day": 1,
        "sessions": 2,
        "imports": 1,
        "jobs": 1,
        "emails in the outbox": 0,
        "emails that could not be sent": 0,
    }
    assert removed == {**kept, "responses to programs": 1, "rate limits": 1, **WORDS}


def test_a_failing_retention_rule_does_not_stop_the_others(old_rows: Flask) -> None:
    with old_rows.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE sessions RENAME TO elsewhere")
    with old_rows.app_context():
        removed = queue.remove_old_rows()

    assert removed == dict.fromkeys(removed, 1) | WORDS
    assert len(removed) == len(KINDS)


def test_workers_run_retention_once_a_day_and_catch_up(old_rows: Flask, fresh_database: str) -> None:
    with postbox() as box:
        environment = {
            "DATABASE_URL": fresh_database,
            "PORTAL_SMTP_URL": box.url,
            "PORTAL_MAIL_FROM": "portal@example.com",
        }
        workers = [run_worker(**environment, PORTAL_URL="https://portal.example.com") for _ in range(2)]
        until(
            lambda: remaining(old_rows) == [1] * len(KINDS) and workers_running(old_rows) == 4,  # one for each queue
            "old rows are still there, or a worker doesn't run",
            every=0.1,
        )
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        output = "".join(worker.communicate(timeout=60)[0] for worker in workers)
        assert [worker.returncode for worker in workers] == [0, 0]

    assert remaining(old_rows) == [1] * len(KINDS)
    with old_rows.app_context(), db.engine.connect() as connection:
        days = connection.exec_driver_sql("SELECT count(*) FROM queue.procrastinate_periodic_defers").scalar_one()
    assert days == 1
    assert output.count("removed old rows: 1 ") == 1


@pytest.mark.parametrize("public_url", [None, "https://portal.example.com"])
def test_a_demo_worker_shows_where_links_lead(
    app: Flask, change_settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch, public_url: str | None
) -> None:
    change_settings(public_url=public_url, database_url=None)
    monkeypatch.setattr("portal.mail.cli.work_on", lambda *_, **__: None)

    result = app.test_cli_runner().invoke(args=["worker"])

    assert result.exit_code == 0, result.output
    assert ("Links in emails lead to http://127.0.0.1:8000. Set PORTAL_URL" in result.output) == (public_url is None)


def run_worker(**environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "flask", "--app", "wsgi", "worker"],
        cwd=ROOT,
        env={**os.environ, "SECRET_KEY": SECRET_KEY, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
