"""Does the doctor say whether emails can leave, and whether they do?"""

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
from tests.mail.postbox import free_port, postbox

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

AT_WORK = "INSERT INTO queue.procrastinate_workers DEFAULT VALUES"
GONE = "INSERT INTO queue.procrastinate_workers (last_heartbeat) VALUES (now() - interval '2 minutes')"
AGED = "UPDATE queue.procrastinate_events SET at = at - interval '11 minutes'"
RETRIED = "UPDATE queue.procrastinate_jobs SET scheduled_at = now() + interval '1 hour'"
FAILED = "UPDATE queue.procrastinate_jobs SET status = 'failed'"


@contextmanager
def told(app: Flask, **changes: Any) -> Iterator[None]:
    settings = current_settings.of(app)
    current_settings.set(app, replace(settings, mail_from="Portal <portal@example.com>", **changes))
    try:
        with app.app_context():
            yield
    finally:
        current_settings.set(app, settings)


def looked(app: Flask) -> str:
    with app.app_context(), acting_as(SYSTEM):
        return checks.queue()


def change(app: Flask, *statements: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL search_path = queue, public")
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture
def waiting(fresh_app: Flask) -> Flask:
    """Where an email waits."""
    nia = Builder(fresh_app).person("nia@example.com")
    with acting(fresh_app):
        send_later("replay", nia.id)
    return fresh_app


def test_without_a_mail_server_the_outbox_is_named_and_in_production_what_is_missing(app: Flask) -> None:
    with told(app):
        assert "/outbox/" in checks.mail()
    with told(app, production=True), pytest.raises(CheckFailed, match="PORTAL_URL is not set"):
        checks.mail()
    with (
        told(app, production=True, public_url="https://portal.example.com"),
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
def test_a_mail_server_that_answers_is_asked_and_gets_no_email(app: Flask, kind: dict[str, bool], how: str) -> None:
    with postbox(**kind) as box, told(app, smtp_url=box.url):
        said = checks.mail()

    assert said.endswith(f"answers, {how}")
    assert box.emails == []
    assert "p@ss" not in said


def test_an_unusable_mail_server_is_reported_with_the_reason(app: Flask) -> None:
    with postbox(login=True) as box:
        wrong = {
            box.url.replace("p%40ss", "other"): "rejects the user name or password",
            f"smtp://127.0.0.1:{free_port()}": "can't be reached",
        }
        for url, why in wrong.items():
            with told(app, smtp_url=url), pytest.raises(CheckFailed, match=why) as complaint:
                checks.mail()
            assert "other" not in str(complaint.value)
    with (
        postbox() as box,
        told(app, smtp_url=box.url.replace("smtp:", "smtps:")),
        pytest.raises(CheckFailed, match="TLS"),
    ):
        checks.mail()


def test_an_empty_queue_is_well_with_or_without_a_worker(fresh_app: Flask) -> None:
    assert looked(fresh_app) == "0 waiting; 0 will be tried again, 0 could not be sent (see the log); 0 at work"
    change(fresh_app, AT_WORK, GONE)
    assert looked(fresh_app).endswith("; 1 at work")


def test_emails_that_wait_without_a_worker_are_reported(waiting: Flask) -> None:
    change(waiting, GONE)

    with pytest.raises(
        CheckFailed, match=r"^1 waiting since \d{4}-.* UTC, and no worker is running: start `flask worker`"
    ):
        looked(waiting)
    change(waiting, AT_WORK)
    assert looked(waiting).startswith("1 waiting since")


def test_emails_that_wait_long_despite_a_worker_are_reported(waiting: Flask) -> None:
    change(waiting, AT_WORK, AGED)

    with pytest.raises(CheckFailed, match="although a worker is running"):
        looked(waiting)


def test_emails_that_were_not_taken_and_those_given_up_are_counted(waiting: Flask) -> None:
    change(waiting, RETRIED)
    assert looked(waiting).startswith("0 waiting; 1 will be tried again, 0 could not be sent")
    change(waiting, FAILED)
    assert looked(waiting).startswith("0 waiting; 0 will be tried again, 1 could not be sent")
