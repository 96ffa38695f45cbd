"""The doctor's checks of the mail server and the queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from portal.core.actor import SYSTEM
from portal.core.checks import CheckFailed
from portal.core.db import acting_as, db
from portal.mail import checks
from portal.mail.commands import send_later
from portal.web.given import current_settings
from tests.acting import acting
from tests.cast import Builder
from tests.mail.postbox import postbox
from tests.ports import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

WORKER = "INSERT INTO queue.procrastinate_workers DEFAULT VALUES"
DEAD_WORKER = "INSERT INTO queue.procrastinate_workers (last_heartbeat) VALUES (now() - interval '2 minutes')"
OLD = "UPDATE queue.procrastinate_events SET at = at - interval '11 minutes'"
RETRIED = "UPDATE queue.procrastinate_jobs SET scheduled_at = now() + interval '1 hour'"
FAILED = "UPDATE queue.procrastinate_jobs SET status = 'failed'"


@contextmanager
def configured(app: Flask, **changes: Any) -> Iterator[None]:
    settings = current_settings.of(app)
    current_settings.set(app, replace(settings, mail_from="Portal <portal@example.com>", **changes))
    try:
        with app.app_context():
            yield
    finally:
        current_settings.set(app, settings)


def check_queue(app: Flask) -> str:
    with app.app_context(), acting_as(SYSTEM):
        return checks.queue()


def change(app: Flask, *statements: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL search_path = queue, public")
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture
def waiting(fresh_app: Flask) -> Flask:
    """An application with a queued email."""
    nia = Builder(fresh_app).person("nia@example.com")
    with acting(fresh_app):
        send_later("replay", nia.id)
    return fresh_app


def test_without_a_mail_server_the_demo_names_the_outbox_and_production_what_is_missing(app: Flask) -> None:
    with configured(app):
        assert "/outbox/" in checks.mail()
    with configured(app, production=True), pytest.raises(CheckFailed, match="PORTAL_URL is not set"):
        checks.mail()
    with (
        configured(app, production=True, public_url="https://portal.example.com"),
        pytest.raises(CheckFailed, match="PORTAL_SMTP_URL is not set"),
    ):
        checks.mail()


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ({}, "without TLS, on this machine"),
        ({"starttls": True}, "with TLS"),
        ({"tls": True}, "with TLS"),
        ({"login": True}, "without TLS, on this machine, as portal"),
    ],
    ids=["plain", "STARTTLS", "TLS", "a login"],
)
def test_a_mail_server_is_contacted_without_sending_an_email(app: Flask, kind: dict[str, bool], how: str) -> None:
    with postbox(**kind) as box, configured(app, smtp_url=box.url):
        result = checks.mail()

    assert result.endswith(f"responds, {how}")
    assert box.emails == []
    assert "p@ss" not in result


def test_an_unusable_mail_server_is_reported_with_the_reason(app: Flask) -> None:
    with postbox(login=True) as box:
        wrong = {
            box.url.replace("p%40ss", "other"): "rejects the user name or password",
            f"smtp://127.0.0.1:{free_port()}": "can't be reached",
        }
        for url, reason in wrong.items():
            with configured(app, smtp_url=url), pytest.raises(CheckFailed, match=reason) as complaint:
                checks.mail()
            assert "other" not in str(complaint.value)
    with (
        postbox() as box,
        configured(app, smtp_url=box.url.replace("smtp:", "smtps:")),
        pytest.raises(CheckFailed, match="TLS"),
    ):
        checks.mail()


def test_an_empty_queue_is_fine_with_or_without_a_worker(fresh_app: Flask) -> None:
    assert check_queue(fresh_app) == "0 waiting; 0 to be retried, 0 failed (see the log); 0 workers"
    change(fresh_app, WORKER, DEAD_WORKER)
    assert check_queue(fresh_app).endswith("; 1 worker")


def test_emails_waiting_without_a_worker_are_reported(waiting: Flask) -> None:
    change(waiting, DEAD_WORKER)

    with pytest.raises(
        CheckFailed, match=r"^1 waiting since \d{4}-.* UTC, and no worker is running: start `flask worker`"
    ):
        check_queue(waiting)
    change(waiting, WORKER)
    assert check_queue(waiting).startswith("1 waiting since")


def test_emails_waiting_too_long_despite_a_worker_are_reported(waiting: Flask) -> None:
    change(waiting, WORKER, OLD)

    with pytest.raises(CheckFailed, match="although a worker is running"):
        check_queue(waiting)


def test_postponed_and_failed_emails_are_counted(waiting: Flask) -> None:
    change(waiting, RETRIED)
    assert check_queue(waiting).startswith("0 waiting; 1 to be retried, 0 failed")
    change(waiting, FAILED)
    assert check_queue(waiting).startswith("0 waiting; 0 to be retried, 1 failed")
