"""Accounts that expire: the last day of access is entered, shown, carried out by the worker, and canceled."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.history import Activity
from portal.tokens.models import Session
from portal.tokens.queries import is_live
from portal.users.commands import LAST_SUPER_ADMIN, OWN_ACCESS, users
from portal.users.expiry import deactivate_expired
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.pages import PageClient, text_of
from tests.selecting import act, set_values


@pytest.fixture
def ours(app: Flask, ada: Person) -> PageClient:
    return page_client(app, ada)


def in_days(days: int) -> date:
    return now().date() + timedelta(days=days)


def save(client: PageClient, person: Person, day: object, status: int = 303) -> str:
    page = f"/users/{person.id}/edit"
    response = client.post(page, data={**client.form(page), "expires_on": str(day)})
    assert response.status_code == status, text_of(response.text)
    return text_of(response.text)


def expire(app: Flask, person: Person, days: int = -1) -> None:
    with acting(app):
        set_values(person.id, expires_on=in_days(days))


def carried_out(app: Flask) -> int:
    with app.app_context():
        return deactivate_expired()


def test_a_day_is_entered_shown_listed_and_canceled_with_one_click(
    app: Flask, ours: PageClient, uma: Person, build: Builder
) -> None:
    save(ours, uma, in_days(10))

    shown = ours.get(f"/users/{uma.id}").text
    assert "Last day of access" in text_of(shown)
    assert str(in_days(10)) not in text_of(shown)  # also in the history, as people write it
    assert "Cancel expiry" in shown
    for value in ("any", "soon"):
        assert uma.email in ours.get(f"/users/?expiry={value}").text
    assert carried_out(app) == 0
    page = f"/users/{uma.id}/expiry"
    assert ours.post(page, data=ours.form(f"/users/{uma.id}", action=page)).status_code == 303
    assert build.read(User, uma.id).expires_on is None
    assert uma.email not in ours.get("/users/?expiry=any").text
    save(ours, uma, "")


@pytest.mark.parametrize(
    "day",
    [
        "99999-01-01", "0000-00-00", "31/02/2026", "2031-02-31", "-infinity", "infinity", "1e9", "20311231",
        "2031-W01-1", "2031-01-01T00:00", "٢٠٣١-٠١-٠١", "' OR 1=1 --", "2020-01-01", "0001-01-01",
    ],
)  # fmt: skip
def test_hostile_and_past_days_are_refused(ours: PageClient, build: Builder, uma: Person, day: str) -> None:
    said = save(ours, uma, day, 422)

    assert any(text in said for text in ("Enter a valid date,", "This date has passed.", "Use 10 characters at most."))
    assert build.read(User, uma.id).expires_on is None


def test_the_worker_deactivates_on_behalf_of_whoever_set_the_day(
    app: Flask, build: Builder, ours: PageClient, sign_in: SignIn, client: PageClient, ada: Person, uma: Person
) -> None:
    sign_in(uma)
    save(ours, uma, in_days(0))
    assert (carried_out(app), client.get("/account/").status_code) == (0, 200)
    with acting(app, ada):
        users.set_value(uma.id, "expires_on", in_days(-1))
    assert client.get("/account/").status_code in (302, 303)  # also before the worker comes

    assert (carried_out(app), carried_out(app)) == (1, 0)

    assert (build.read(User, uma.id).is_active, build.read(User, uma.id).expires_on) == (False, in_days(-1))
    with acting(app):
        newest = select(Activity).where(Activity.table_name == "users", Activity.row_id == uma.id)
        event = db.session.scalars(newest.order_by(Activity.id.desc()).limit(1)).one()
        assert (event.actor_id, event.changes) == (ada.id, {"is_active": [True, False]})
        assert not db.session.scalars(select(Session).where(Session.user_id == uma.id, is_live())).all()
    with pytest.raises(AssertionError, match="Error: Sign in"):
        sign_in(uma)


def test_people_who_were_created_with_a_day_expire_too(app: Flask, build: Builder, acme: Tenant) -> None:
    person = build.person("new@example.com", tenant=acme, expires_on=in_days(-3))

    assert carried_out(app) == 1
    assert not build.read(User, person.id).is_active


def test_activating_cancels_a_past_expiry_but_not_a_future_one(
    app: Flask, build: Builder, ours: PageClient, ada: Person, uma: Person, guest: Person
) -> None:
    for person, days in ((uma, -1), (guest, 5)):
        expire(app, person, days)
        with acting(app, ada):
            users.set_active(person.id, is_active=False)
            users.set_active(person.id, is_active=True)
    assert (build.read(User, uma.id).expires_on, build.read(User, guest.id).expires_on) == (None, in_days(5))

    expire(app, uma)
    assert carried_out(app) == 1
    act(ours, "/users/?status=deactivated", "activate", [uma.id])
    assert (build.read(User, uma.id).is_active, build.read(User, uma.id).expires_on) == (True, None)


def test_nobody_can_let_their_own_account_expire(ours: PageClient, build: Builder, ada: Person) -> None:
    assert OWN_ACCESS.format("expiry") in save(ours, ada, in_days(5), 422)
    assert build.read(User, ada.id).expires_on is None


def test_the_last_super_admin_cannot_expire(app: Flask, build: Builder, root: Person) -> None:
    other = build.person("other@example.com", role=Role.SUPER_ADMIN)
    client = page_client(app, root)
    save(client, other, in_days(5))

    with acting(app, other), pytest.raises(Conflict, match=LAST_SUPER_ADMIN):
        users.set_value(root.id, "expires_on", in_days(5))
