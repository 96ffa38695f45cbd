"""The outbox of the demo."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from portal.core.db import db
from portal.mail.queue import send
from tests.acting import acting
from tests.cast import Person, SignIn
from tests.pages import PageClient

FAILED = """
INSERT INTO queue.procrastinate_jobs (queue_name, task_name, status, args) VALUES
('emails', 'send', 'failed', jsonb_build_object('kind', 'password_reset', 'user_id', CAST(:person AS text)))
"""


def test_the_outbox_shows_the_newest_email_first_with_its_link(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person, uma: Person, ada: Person
) -> None:
    sign_in(root)
    assert "No emails yet" in client.get("/outbox/").text
    with acting(app):
        send("verification", ada.id)
        send("replay", uma.id)

    page = client.get("/outbox/").text

    assert 0 < page.index(uma.email) < page.index(ada.email)
    assert page.count('href="http://127.0.0.1:8000/verify/') == 1


@pytest.mark.parametrize("settings", [{"production": True}, {"smtp_url": "smtp://localhost"}])
def test_there_is_no_outbox_if_emails_are_sent(
    client: PageClient, sign_in: SignIn, root: Person, settings: dict[str, object], change_settings: Callable[..., None]
) -> None:
    sign_in(root)
    change_settings(**settings)

    assert client.get("/outbox/").status_code == 404
    assert "/outbox/" not in client.get("/").text


def test_an_administrator_who_is_refused_is_referred_to_a_super_administrator(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)

    answer = client.get("/outbox/")

    assert answer.status_code == 403
    assert "Ask a super administrator." in answer.text


def test_failed_emails_are_listed_with_their_recipient_and_only_for_super_admins(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, root: Person, ada: Person, uma: Person
) -> None:
    sign_in(root)
    assert "No failed emails" in client.get("/outbox/failed/").text
    with acting(app):
        db.session.execute(text(FAILED), {"person": str(uma.id)})
        db.session.commit()
    sign_in(ada, other_client)

    page = client.get("/outbox/failed/").text

    assert (page.count(f'href="/users/{uma.id}"'), page.count("Password reset")) == (1, 1)
    assert other_client.get("/outbox/failed/").status_code == 403
