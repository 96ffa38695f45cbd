"""A reset by an administrator is recorded under their name and rate-limited."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.history import Activity
from portal.users import commands, resets
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.mailbox import jobs
from tests.pages import PageClient


def events(app: Flask, person: Person) -> list[tuple[str, object, object]]:
    """The history of a person, oldest first: action, actor and tenant."""
    wanted = select(Activity.action, Activity.actor_id, Activity.organization_id).where(Activity.row_id == person.id)
    with acting(app):
        return [tuple(row) for row in db.session.execute(wanted.order_by(Activity.id))]  # type: ignore[misc]


def test_the_history_names_the_administrator_who_reset_a_password(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    before = len(events(app, uma))
    sign_in(ada)

    client.send(f"/users/{uma.id}/password")

    here = uma.organization_id
    assert events(app, uma)[before:] == [("password_reset", ada.id, here), ("update", ada.id, here)]
    assert build.read(User, uma.id).updated_by == ada.id
    page = client.get(f"/users/{uma.id}").text
    assert page.count("reset the password") == 1
    assert f"<b>{ada.name}</b> reset the password" in page


def test_a_reset_is_recorded_even_if_there_was_no_password(
    app: Flask, build: Builder, ada: Person, root: Person, acme: Tenant
) -> None:
    bare = build.person("bare@example.com", tenant=acme, must_change_password=True)
    with acting(app, ada):
        resets.reset_password(bare.id)
    before = len(events(app, bare))
    with acting(app, root):
        resets.reset_password(bare.id)

    assert events(app, bare)[before:] == [("password_reset", root.id, acme.id)]


def test_a_deactivated_person_gets_no_email_and_the_page_explains_it(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant
) -> None:
    out = build.person("out@example.com", tenant=acme, is_active=False)
    sign_in(ada)
    assert "No email is sent because the account is deactivated." in client.get(f"/users/{out.id}/password").text

    client.send(f"/users/{out.id}/password")

    assert "No email was sent to out@example.com" in client.get(f"/users/{out.id}").text
    assert jobs(app) == []
    with acting(app, ada):
        assert commands.stored_password(out.id) is None


def test_resets_are_rate_limited(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person, change_settings: Callable[..., None]
) -> None:
    change_settings(emails_per_hour=4)
    sign_in(ada)

    statuses = [client.send(f"/users/{uma.id}/password").status_code for _ in range(4)]

    assert statuses == [303, 303, 429, 429]
    assert jobs(app) == [("password_reset", uma.id)] * 2
