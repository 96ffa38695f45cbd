"""Accounts that expire: the last day of access is entered, shown, carried out by the worker, and canceled."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.days import dated
from portal.core.db import command, db
from portal.core.errors import Conflict
from portal.core.history import Activity
from portal.tokens.models import Session
from portal.tokens.queries import is_live
from portal.users import queries
from portal.users.bulk import BACKWARDS
from portal.users.commands import LAST_SUPER_ADMIN, OWN_ACCESS, users
from portal.users.models import User
from portal.users.schedule import carry_out
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.mailbox import jobs
from tests.pages import HTMX, PageClient, names_in, text_of
from tests.resources.test_exporting import rows_of
from tests.selecting import act, agree, set_values


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
        return carry_out()


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
    with pytest.raises(AssertionError, match="Error: Sign in"):
        sign_in(uma)
    for page in ("/users/?q=uma", f"/users/{uma.id}", "/users/export?format=csv&q=uma"):
        assert "Expired" in ours.get(page).text

    assert (carried_out(app), carried_out(app)) == (1, 0)

    assert (build.read(User, uma.id).is_active, build.read(User, uma.id).expires_on) == (False, in_days(-1))
    with acting(app):
        newest = select(Activity).where(Activity.table_name == "users", Activity.row_id == uma.id)
        event = db.session.scalars(newest.order_by(Activity.id.desc()).limit(1)).one()
        assert (event.actor_id, event.changes) == (ada.id, {"is_active": [True, False]})
        assert not db.session.scalars(select(Session).where(Session.user_id == uma.id, is_live())).all()
    with pytest.raises(AssertionError, match="Error: Sign in"):
        sign_in(uma)


def test_a_joiner_is_created_listed_invited_and_activated_on_the_first_day(
    app: Flask, build: Builder, ours: PageClient, ada: Person, uma: Person
) -> None:
    values = {"email": "new@example.com", "first_name": "Noor", "activates_on": str(in_days(3)), "role": "USER"}
    assert ours.send("/users/new", values).status_code == 303
    assert not jobs(app)
    with acting(app):
        noor = db.session.scalars(select(User).where(User.email == "new@example.com")).one()
        assert (noor.is_active, noor.activates_on) == (False, in_days(3))
    shown = ours.get(f"/users/{noor.id}").text
    assert "First day of access" in text_of(shown)
    assert "The invitation is sent on" in text_of(shown)
    listed = ours.get("/users/?start=later").text
    with acting(app, ada):
        begin = [queries.listing(asked, "/users/").sort for asked in ({"start": "later"}, {"expiry": "any"}, {})]
    assert begin == ["activates_on", "expires_on", "-created_at"]
    assert noor.email in listed
    assert re.search(r'aria-current="page">Deactivated.*aria-current="true">Starts later<', listed, re.S)
    assert 'href="/users/">Active' in listed
    assert f"Starts {dated(in_days(3))}" in listed
    assert noor.email in ours.get("/users/?status=deactivated&start=later").text
    assert uma.email not in ours.get("/users/?start=later").text
    assert noor.email in ours.get("/users/?status=deactivated&start=later&q=noor").text
    assert carried_out(app) == 0

    with acting(app, ada):
        set_values(noor.id, activates_on=in_days(0), expires_on=in_days(30))
    assert (carried_out(app), carried_out(app)) == (1, 0)

    row = build.read(User, noor.id)
    assert (row.is_active, row.activates_on, row.expires_on) == (True, None, in_days(30))
    assert jobs(app) == [("invitation", noor.id)]
    with acting(app):
        newest = select(Activity).where(Activity.row_id == noor.id).order_by(Activity.id.desc()).limit(1)
        event = db.session.scalars(newest).one()
        assert (event.actor_id, (event.changes or {})["is_active"]) == (ada.id, [False, True])


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_the_first_day_is_a_column_an_order_and_in_downloads_where_people_can_have_one(
    app: Flask, build: Builder, ours: PageClient, root: Person, uma: Person, acme: Tenant, birch: Tenant,
    headers: dict[str, str],
) -> None:  # fmt: skip
    for name, days in (("late", 20), ("soon", 3), ("off", None)):
        first = None if days is None else in_days(days)
        build.person(f"{name}@example.com", tenant=acme, is_active=False, activates_on=first)
    build.person("elsewhere@example.com", tenant=birch, is_active=False, activates_on=in_days(9))
    asked = "columns=activates_on&sort=activates_on"

    for client, names in (
        (ours, ["Soon", "Late", "Off"]),
        (page_client(app, root), ["Soon", "Elsewhere", "Late", "Off"]),
    ):
        page = client.get(f"/users/?status=deactivated&{asked}", headers=headers).text
        assert [one.removesuffix(" Example") for one in names_in(page)] == names
        assert re.search(
            r'<th aria-sort="ascending"><a href="[^"]*sort=-activates_on[^"]*">First day of access</a>', page
        )
        assert page.count(dated(in_days(3))) == 1, "there is no other column that shows it"
        back = client.get(f"/users/?status=deactivated&{asked.replace('sort=', 'sort=-')}&q=example", headers=headers)
        assert [one.removesuffix(" Example") for one in names_in(back.text)] == names[::-1]
    active = ours.get(f"/users/?{asked}", headers=headers).text
    assert "First day of access" not in active  # nobody there has one
    assert "“sort” has no such option" in text_of(active)
    assert "on the tab Deactivated" in text_of(ours.get("/users/arrange").text)
    rows = rows_of(ours, f"/users/export?status=deactivated&{asked}")
    assert [row["First day of access"] for row in rows] == [str(in_days(3)), str(in_days(20)), ""]
    assert page_client(app, uma).get(f"/users/?status=deactivated&{asked}", headers=headers).status_code == 403


def test_a_first_day_is_canceled_with_one_click_or_by_activating(
    app: Flask, build: Builder, ours: PageClient, uma: Person, guest: Person
) -> None:
    for person in (uma, guest):
        page = f"/users/{person.id}/edit"
        assert "First day of access" not in ours.get(page).text  # nobody waits for it
        with acting(app):
            set_values(person.id, is_active=False)
        assert ours.post(page, data={**ours.form(page), "activates_on": str(in_days(5))}).status_code == 303
        assert (build.read(User, person.id).is_active, build.read(User, person.id).activates_on) == (False, in_days(5))

    page = f"/users/{uma.id}/first-day"
    assert ours.post(page, data=ours.form(f"/users/{uma.id}", action=page)).status_code == 303
    assert (build.read(User, uma.id).is_active, build.read(User, uma.id).activates_on) == (False, None)
    act(ours, "/users/?status=deactivated", "activate", [guest.id])
    assert (build.read(User, guest.id).is_active, build.read(User, guest.id).activates_on) == (True, None)
    with acting(app):
        set_values(uma.id, activates_on=in_days(-2), expires_on=in_days(-1))
    assert carried_out(app) == 0  # access ended before it began


@pytest.mark.parametrize("days", [0, 1])
def test_an_undone_activation_is_not_repeated(
    app: Flask, build: Builder, ours: PageClient, uma: Person, days: int
) -> None:
    with acting(app):
        set_values(uma.id, is_active=False, activates_on=in_days(days))
        users.set_active(uma.id, is_active=True)
        version = build.read(User, uma.id).version
    answer = ours.post(f"/activity/people/{uma.id}/undo", data={**ours.form("/account/"), "version": str(version)})
    assert answer.status_code == 303
    row = build.read(User, uma.id)
    assert (row.is_active, row.activates_on) == (False, in_days(1) if days else None)
    assert carried_out(app) == 0


def test_the_last_day_cannot_come_before_the_first(app: Flask, ours: PageClient, build: Builder, uma: Person) -> None:
    page = f"/users/{uma.id}/edit"
    with acting(app):
        set_values(uma.id, is_active=False)
    sent = {**ours.form(page), "activates_on": str(in_days(5)), "expires_on": str(in_days(4))}
    answer = ours.post(page, data=sent)
    assert answer.status_code == 422
    assert "before the first day" in text_of(answer.text)
    assert build.read(User, uma.id).activates_on is None
    save(ours, uma, in_days(4))
    answer = ours.post(page, data={**ours.form(page), "activates_on": str(in_days(5))})
    assert (answer.status_code, build.read(User, uma.id).activates_on) == (422, None)


def test_undoing_for_many_leaves_out_whoever_would_end_before_they_begin(
    app: Flask, ours: PageClient, build: Builder, acme: Tenant, uma: Person, guest: Person
) -> None:
    @command
    def keep_forever() -> None:
        for one in db.session.scalars(select(User).where(User.id.in_([uma.id, guest.id]))):
            one.expires_on = None

    with acting(app):
        for person in (uma, guest):
            set_values(person.id, is_active=False, expires_on=in_days(4))
        keep_forever()
        set_values(guest.id, activates_on=in_days(5))
        newest = select(Activity.operation_id).where(Activity.row_id == uma.id).order_by(Activity.id.desc()).limit(1)
        undo = f"/activity/{db.session.scalar(newest)}/undo"

    asked = ours.post(undo, data=ours.form("/account/"))
    assert BACKWARDS in text_of(asked.text)
    assert guest.name in text_of(asked.text)
    assert agree(ours, asked).status_code == 303
    assert (build.read(User, uma.id).expires_on, build.read(User, guest.id).expires_on) == (in_days(4), None)


def test_nobody_can_send_a_first_day_for_themselves(ours: PageClient, build: Builder, ada: Person) -> None:
    page = f"/users/{ada.id}/edit"
    answer = ours.post(page, data={**ours.form(page), "activates_on": str(in_days(5))})
    assert (answer.status_code, build.read(User, ada.id).is_active) == (422, True)


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
