"""People who don't sign in are listed, warned once and deactivated, if their organization wants that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.history import Activity
from portal.organizations.models import Organization
from portal.users import inactivity
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client
from tests.mailbox import email_of, jobs
from tests.pages import text_of
from tests.selecting import set_values

EMAIL = "inactivity_warning"


@pytest.fixture
def idle(app: Flask, build: Builder, ada: Person, acme: Tenant) -> Person:
    """A person who last signed in 100 days ago."""
    with acting(app):
        set_values(ada.id, last_sign_in_at=now())
    return inactive_for(build, acme, 100)


def inactive_for(build: Builder, tenant: Tenant, days: int, name: str = "ivo", **values: Any) -> Person:
    ago = now() - timedelta(days=days)
    values = {"last_sign_in_at": ago, **values}
    return build.person(f"{name}@example.com", tenant=tenant, created_at=now() - timedelta(days=500), **values)


def rule(app: Flask, tenant: Tenant, days: int | None = 90, warning: int = 14) -> None:
    with acting(app):
        inactivity.set_policy(tenant.id, days=days, warning=warning)


def carried_out(app: Flask) -> int:
    with app.app_context():
        return inactivity.carry_out()


def wait(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Pretend that so many days have passed since the test began."""
    monkeypatch.setattr(inactivity, "now", lambda: now() + timedelta(days=days))


def test_nobody_is_deactivated_unless_the_organization_wants_it(app: Flask, build: Builder, idle: Person) -> None:
    assert carried_out(app) == 0
    assert build.read(User, idle.id).is_active
    assert not jobs(app)


def test_people_are_warned_once_then_deactivated(
    app: Flask, monkeypatch: pytest.MonkeyPatch, build: Builder, idle: Person, acme: Tenant, uma: Person
) -> None:
    rule(app, acme)

    assert (carried_out(app), carried_out(app)) == (1, 0)

    assert jobs(app) == [(EMAIL, idle.id)]
    message = email_of(app, EMAIL, idle.id)
    assert "Acme deactivates accounts after 90 days without a sign-in." in message.paragraphs
    assert message.link is not None and message.link.endswith("/login")
    wait(monkeypatch, 13)
    assert carried_out(app) == 0
    wait(monkeypatch, 14)
    assert (carried_out(app), carried_out(app)) == (1, 0)
    assert not build.read(User, idle.id).is_active
    assert build.read(User, uma.id).is_active  # created today
    with acting(app):
        newest = select(Activity).where(Activity.row_id == idle.id).order_by(Activity.id.desc()).limit(1)
        event = db.session.scalars(newest).one()
        assert (event.actor_id, event.actor_role, event.changes) == (None, "SYSTEM", {"is_active": [True, False]})
        assert inactivity.warning(idle.id, None) is None

        users.set_active(idle.id, is_active=True)
    assert (carried_out(app), carried_out(app)) == (1, 0)  # warned anew
    assert build.read(User, idle.id).is_active


def test_signing_in_or_using_a_session_keeps_the_account(
    app: Flask, monkeypatch: pytest.MonkeyPatch, build: Builder, idle: Person, acme: Tenant
) -> None:
    other = inactive_for(build, acme, 100, "olga")
    rule(app, acme)
    assert carried_out(app) == 2
    wait(monkeypatch, 14)
    client = page_client(app, idle)
    assert client.get("/account/").status_code == 200
    page_client(app, other)
    with acting(app):
        set_values(other.id, last_sign_in_at=now() - timedelta(days=100))  # only the session is recent
        assert inactivity.warning(idle.id, None) is None
    assert carried_out(app) == 0
    assert build.read(User, idle.id).is_active
    assert build.read(User, other.id).is_active


def test_a_warning_under_an_earlier_rule_does_not_count(
    app: Flask, monkeypatch: pytest.MonkeyPatch, build: Builder, idle: Person, acme: Tenant
) -> None:
    rule(app, acme)
    assert carried_out(app) == 1
    rule(app, acme, None)
    wait(monkeypatch, 60)
    assert carried_out(app) == 0
    rule(app, acme, 90, 7)
    assert (carried_out(app), build.read(User, idle.id).is_active) == (1, True)
    assert len(jobs(app)) == 2


def test_last_administrators_super_admins_and_invited_people_are_not_deactivated(
    app: Flask, monkeypatch: pytest.MonkeyPatch, build: Builder, acme: Tenant, birch: Tenant
) -> None:
    ago = now() - timedelta(days=400)
    both = [inactive_for(build, acme, 400, name, role=Role.ADMIN) for name in ("a", "b")]
    kept = [
        inactive_for(build, acme, 400, "s", role=Role.SUPER_ADMIN),
        inactive_for(build, acme, 400, "i", invited_at=ago, last_sign_in_at=None),
        inactive_for(build, birch, 400, "elsewhere"),
    ]
    rule(app, acme)
    assert carried_out(app) == 2
    wait(monkeypatch, 14)
    assert carried_out(app) == 1
    assert carried_out(app) == 0
    assert sorted(build.read(User, one.id).is_active for one in both) == [False, True]
    assert all(build.read(User, one.id).is_active for one in kept)


def test_an_admin_turns_the_rule_on_after_confirming_and_undoes_it(
    app: Flask, build: Builder, idle: Person, ada: Person, acme: Tenant, birch: Tenant
) -> None:
    client, path = page_client(app, ada), f"/organizations/{acme.id}/inactivity"
    assert path in client.get(f"/organizations/{acme.id}").text
    page = client.get(path).text
    assert "/users/?idle=90" in page
    assert idle.email in client.get("/users/?idle=90").text

    asked = client.send(path, {"days": "90", "warning": "14"})
    assert (asked.status_code, build.read(Organization, acme.id).inactive_days) == (200, None)
    assert "1 person hasn’t signed in for 90 days." in text_of(asked.text)
    assert client.confirm(asked).status_code == 303
    row = build.read(Organization, acme.id)
    assert (row.inactive_days, row.warning_days) == (90, 14)
    assert "Deactivated after 90 days" in text_of(client.get(f"/organizations/{acme.id}").text)
    undo = {**client.form("/account/"), "version": str(row.version)}
    assert client.post(f"/activity/organizations/{acme.id}/undo", data=undo).status_code == 303
    off = build.read(Organization, acme.id)
    assert off.inactive_days is None
    asked = client.post(f"/activity/organizations/{acme.id}/undo", data={**undo, "version": str(off.version)})
    assert "1 person hasn’t signed in for 90 days." in text_of(asked.text)
    assert build.read(Organization, acme.id).inactive_days is None
    with acting(app):
        operation = db.session.scalars(select(Activity.operation_id).where(Activity.row_version == off.version)).first()
    assert "Can only be undone in their own history" in client.post(f"/activity/{operation}/undo", data=undo).text
    assert path in client.get(f"/organizations/{acme.id}/settings").text
    assert client.get(f"/organizations/{birch.id}/inactivity").status_code == 404


@pytest.mark.parametrize("values", [{"days": "1"}, {"days": "-90"}, {"days": "9e9"}, {"days": "90", "warning": "0"}])
def test_other_values_are_refused(
    app: Flask, build: Builder, ada: Person, acme: Tenant, values: dict[str, str]
) -> None:
    client, path = page_client(app, ada), f"/organizations/{acme.id}/inactivity"
    assert client.send(path, values).status_code == 422
    assert build.read(Organization, acme.id).inactive_days is None
