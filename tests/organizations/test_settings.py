"""The settings of an organization: who sets them, what each enforces, and that nobody locks themselves out."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select, update
from werkzeug.test import TestResponse

from portal.core.actor import Role
from portal.core.bulk import carry_out
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import Conflict
from portal.core.history import Activity
from portal.core.keys import uuid7
from portal.organizations.models import Organization
from portal.organizations.settings import OWN_TWO_FACTOR, may_invite, needs_two_factor, read_domains
from portal.tokens.models import Session
from portal.users.bulk import SettingPeople
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client
from tests.imports.test_inviting import invite
from tests.imports.test_views import reasons, start
from tests.mailbox import jobs as emails
from tests.pages import HTMX, PageClient, fields_of, text_of, undo_in
from tests.selecting import choose, set_values

NEW = {"first_name": "Nina", "last_name": "Field", "role": "USER", "is_active": "true"}


def page_of(tenant: Tenant) -> str:
    return f"/organizations/{tenant.id}/settings"


def save(client: PageClient, tenant: Tenant, **values: Any) -> TestResponse:
    """Send the form, and confirm what it means."""
    return client.confirm(client.send(page_of(tenant), values))


@command
def write(tenant: Tenant, **values: Any) -> None:
    db.session.execute(update(Organization).where(Organization.id == tenant.id).values(**values))


@pytest.fixture
def put(app: Flask) -> Callable[..., None]:
    """Set values as another program would."""

    def put(tenant: Tenant, **values: Any) -> None:
        with acting(app):
            write(tenant, **values)

    return put


@command
def protect(person: Person) -> None:
    db.session.execute(update(User).where(User.id == person.id).values(has_two_factor=True))


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
def test_an_admin_changes_the_settings_and_undoes_it(
    app: Flask, ada: Person, acme: Tenant, build: Builder, headers: dict[str, str]
) -> None:
    client = page_client(app, ada)
    values = {"email_domains": "@Example.com, müller.example", "password_minimum": "20", "idle_minutes": "30"}

    asked = client.send(page_of(acme), values)
    assert "New people and changed addresses need an allowed domain." in text_of(asked.text)
    done = client.confirm(asked, headers=headers)
    assert done.status_code == (200 if headers else 303)

    row = build.read(Organization, acme.id)
    assert (row.email_domains, row.password_minimum) == ("example.com xn--mller-kva.example", 20)
    shown = client.get(f"/organizations/{acme.id}").text
    assert "example.com, müller.example" in client.get(f"/activity/organizations/{acme.id}").text
    path = f"/activity/organizations/{acme.id}/undo"
    undone = client.confirm(client.post(path, data=undo_in(shown)))
    assert undone.status_code == 303
    assert build.read(Organization, acme.id).email_domains is None


def test_only_super_admins_limit_seats_and_stop_admins_from_inviting(
    app: Flask, root: Person, ada: Person, acme: Tenant, build: Builder
) -> None:
    ours, roots = page_client(app, ada), page_client(app, root)

    save(ours, acme, seat_limit="1", inviters="super")
    row = build.read(Organization, acme.id)
    assert (row.seat_limit, row.inviters) == (None, None)

    assert save(roots, acme, seat_limit="1", inviters="super").status_code == 303
    assert "1 of 1 in use" in text_of(ours.get(f"/organizations/{acme.id}").text)
    assert "Only a super administrator can change this." in ours.get(page_of(acme)).text
    save(ours, acme, inviters="")
    assert build.read(Organization, acme.id).inviters == "super"
    version = str(build.read(Organization, acme.id).version)
    sent = {**ours.form(f"/organizations/{acme.id}/edit"), "version": version}
    assert ours.post(f"/activity/organizations/{acme.id}/undo", data=sent).status_code == 403


def test_undoing_a_whole_operation_follows_the_same_rules(
    app: Flask, root: Person, ada: Person, acme: Tenant, build: Builder
) -> None:
    assert save(page_client(app, root), acme, inviters="super").status_code == 303
    with acting(app):
        newest = select(Activity.operation_id).where(Activity.row_id == acme.id).order_by(Activity.id.desc()).limit(1)
        path = f"/activity/{db.session.scalar(newest)}/undo"
    client = page_client(app, ada)

    asked = client.post(path, data=client.form("/account/"))

    assert "Can only be undone in their own history" in text_of(asked.text)
    assert "can no longer sign in" not in text_of(asked.text)
    client.post(path, data={**client.form("/account/"), "confirmed": "true"})
    assert build.read(Organization, acme.id).inviters == "super"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"two_factor_for": "ADMIN"}, "Set up two-factor authentication for your own account first."),
        ({"two_factor_for": "everybody"}, "Set up two-factor authentication for your own account first."),
        ({"inviters": "two-factor"}, "Set up two-factor authentication for your own account first."),
        ({"email_domains": "acme.test.example"}, "Include example.com, the domain of your own email address."),
        ({"email_domains": "no domain"}, "no is not a valid domain."),
        ({"email_domains": "a@b.example"}, "is not a valid domain."),
        ({"email_domains": " ".join(f"a{n}.example" for n in range(21))}, "Enter at most 20 domains."),
        ({"password_minimum": "14"}, "Enter a number from 15 to 64."),
        ({"password_minimum": "65"}, "Enter a number from 15 to 64."),
        ({"session_hours": "721"}, "Sessions always end after 720 hours."),
        ({"session_hours": "0"}, "Enter a number from 1 to 720."),
        ({"idle_minutes": "4"}, "Enter a number from 5 to"),
        ({"idle_minutes": "-1"}, "Enter a whole number."),
        ({"idle_minutes": "٣٠"}, "Enter a whole number."),
        ({"session_hours": "9" * 40}, "Enter a whole number."),
        ({"two_factor_for": "nobody"}, "Not a valid choice"),
    ],
)
def test_a_value_that_locks_out_or_is_out_of_range_is_refused_at_its_field(
    app: Flask, ada: Person, acme: Tenant, build: Builder, values: dict[str, str], message: str
) -> None:
    answer = page_client(app, ada).send(page_of(acme), values)

    assert answer.status_code == 422
    assert message in text_of(answer.text)
    assert build.read(Organization, acme.id).version == 1


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize("values", [{"two_factor_for": "everybody"}, {"inviters": "two-factor", "idle_minutes": "30"}])
def test_who_needs_two_factor_first_sets_it_up_in_a_new_tab_and_saves_what_was_typed(
    app: Flask, ada: Person, uma: Person, acme: Tenant, build: Builder, values: dict[str, str],
    headers: dict[str, str],
) -> None:  # fmt: skip
    client = page_client(app, ada)

    answer = client.send(page_of(acme), values, headers=headers)

    name = next(iter(values))
    error = answer.text.partition(f'id="{name}-error">')[2].partition("</p>")[0]
    link = '<a href="/account/second-factor" target="_blank">Set it up in a new tab</a>'
    assert (answer.status_code, error) == (422, f"{OWN_TWO_FACTOR} {link}")
    assert client.get("/account/second-factor").status_code == 200
    with acting(app):
        protect(ada)
    typed = fields_of(answer.text, page_of(acme))
    done = client.confirm(client.post(page_of(acme), data=typed, headers=headers), headers=headers)
    assert done.status_code == (200 if headers else 303)
    row = build.read(Organization, acme.id)
    assert {key: str(getattr(row, key)) for key in values} == values


@pytest.mark.parametrize("values", [{"two_factor_for": "<a>"}, {"inviters": "x"}, {"email_domains": "<b>.example"}])
def test_other_errors_of_settings_have_no_link(
    app: Flask, root: Person, ada: Person, acme: Tenant, values: dict[str, str]
) -> None:
    for person in (root, ada):
        answer = page_client(app, person).send(page_of(acme), values)
        assert (answer.status_code, "_blank" in answer.text) == (422, False)


def test_seats_below_those_in_use_are_refused(
    app: Flask, root: Person, ada: Person, guest: Person, acme: Tenant
) -> None:
    answer = page_client(app, root).send(page_of(acme), {"seat_limit": "1"})

    assert answer.status_code == 422
    assert "2 seats are in use. Deactivate people first." in text_of(answer.text)


def test_requiring_two_factor_names_how_many_it_affects_and_enforces_it(
    app: Flask, root: Person, ada: Person, uma: Person, acme: Tenant
) -> None:
    roots = page_client(app, root)
    asked = text_of(roots.send(page_of(acme), {"two_factor_for": "everybody"}).text)
    assert "2 people have no second factor." in asked

    assert save(roots, acme, two_factor_for="ADMIN").status_code == 303
    assert page_client(app, ada).get("/users/").location == "/account/second-factor"
    assert page_client(app, uma).get("/account/").status_code == 200
    assert roots.get("/users/").status_code == 200


def test_who_can_invite_applies_to_forms_imports_and_links(
    app: Flask, ada: Person, guest: Person, acme: Tenant, put: Callable[..., None]
) -> None:
    ours = page_client(app, ada)
    create, page = ours.form("/users/new"), f"/users/{guest.id}"
    edit = ours.form(f"{page}/edit")
    put(acme, inviters="two-factor")

    sent = {**create, **NEW, "email": "nina@example.com"}
    paths = ("/users/new", "/imports/invite", "/imports/", f"{page}/invitation", f"{page}/invitation/link")
    assert [ours.post(path, data=sent).status_code for path in paths] == [403] * len(paths)
    shown = ours.get(page).text + ours.get("/users/").text
    assert "Send again" not in shown
    assert "/users/new" not in shown
    answer = ours.post(f"{page}/edit", data={**edit, "email": "other@example.com"})
    assert "This would send an invitation" in text_of(answer.text)
    assert ours.get("/users/").status_code == 200

    with acting(app):
        protect(ada)
    assert ours.get("/users/new").status_code == 200
    put(acme, inviters="super")
    assert ours.get("/users/new").status_code == 403


def test_who_can_invite_applies_to_whatever_sends_an_invitation_again(
    app: Flask, ada: Person, guest: Person, uma: Person, acme: Tenant, build: Builder, put: Callable[..., None]
) -> None:
    off = build.person("off@example.com", tenant=acme, is_active=False, invited_at=now(), password="")
    ours, root_of = page_client(app, ada), f"/users/{off.id}"
    edit, later = ours.form(f"/users/{guest.id}/edit"), str(now().date() + timedelta(days=3))
    put(acme, inviters="super")
    before = len(emails(app))
    refusal = "This would send an invitation"

    page = ours.get(root_of).text
    assert "This would send the invitation again" in text_of(page)
    sent = {**ours.form("/account/"), "is_active": "y"}
    assert refusal in text_of(ours.post(f"{root_of}/deactivation", data=sent).text)
    for values in ({"role": "ADMIN"}, {"activates_on": later}):
        answer = ours.confirm(ours.post(f"/users/{guest.id}/edit", data={**edit, **values}))
        assert refusal in text_of(answer.text), values
    asked = text_of(choose(ours, "/users/?status=deactivated", "activate", [off.id]).text)
    assert "Would be sent an invitation" in asked
    asked = text_of(choose(ours, "/users/?status=invited", "role-admin", [guest.id]).text)
    assert "Would be sent an invitation" in asked

    with acting(app):
        set_values(off.id, activates_on=now().date() + timedelta(days=2))
    last = {**ours.form(f"{root_of}/edit"), "expires_on": later}
    assert ours.confirm(ours.post(f"{root_of}/edit", data=last)).status_code == 303, "the first day stays as it is"
    with acting(app):
        users.set_active(uma.id, is_active=False)
        users.set_active(guest.id, is_active=False)
    undoing = {**ours.form("/account/"), "version": str(build.read(User, guest.id).version)}
    answer = ours.post(f"/activity/people/{guest.id}/undo", data=undoing, follow_redirects=True)
    assert refusal in text_of(answer.text)
    with acting(app):
        users.delete(guest.id)
    assert ours.confirm(ours.post(f"/users/{guest.id}/restore", data=sent)).status_code == 303, "which sends nothing"
    assert not build.read(User, guest.id).is_active

    assert len(emails(app)) == before
    assert ours.confirm(ours.post(f"/users/{uma.id}/deactivation", data=sent)).status_code == 303
    put(acme, inviters=None)
    assert ours.post(f"{root_of}/deactivation", data=sent).status_code == 303
    assert len(emails(app)) == before + 1


def test_email_domains_apply_to_forms_moves_own_changes_and_new_invitations(
    app: Flask, root: Person, ada: Person, guest: Person, bea: Person, acme: Tenant, put: Callable[..., None]
) -> None:
    ours, roots = page_client(app, ada), page_client(app, root)
    put(acme, email_domains="acme.example acme.test.example")
    refusal = "Acme allows only email addresses at acme.example or acme.test.example."

    answer = ours.send("/users/new", {**NEW, "email": "nina@example.com"})
    assert (answer.status_code, refusal in text_of(answer.text)) == (422, True)
    assert ours.send("/users/new", {**NEW, "email": "nina@acme.example"}).status_code == 303
    answer = ours.send("/account/email", {"email": "ada@elsewhere.example", "current_password": ada.password})
    assert refusal in text_of(answer.text)
    answer = ours.post(f"/users/{guest.id}/invitation", data=ours.form(f"/users/{guest.id}"))
    assert refusal in text_of(ours.get(f"/users/{guest.id}").text + answer.text)
    answer = roots.confirm(roots.send(f"/users/{bea.id}/edit", {"organization_id": "acme", "role": "USER"}))
    assert refusal in text_of(answer.text)
    assert roots.send(f"/users/{guest.id}/edit", {"first_name": "Kept"}).status_code == 303


def test_email_domains_and_seats_apply_to_imports(
    app: Flask, ada: Person, acme: Tenant, build: Builder, put: Callable[..., None]
) -> None:
    ours = page_client(app, ada)
    put(acme, email_domains="example.com", seat_limit=2)

    import_id = invite(ours, "one@example.com, two@elsewhere.example")
    assert reasons(app, import_id) == ["Email: Acme allows only email addresses at example.com."]
    assert start(app, ours, import_id).state == "partly failed"
    failed = start(app, ours, invite(ours, "three@example.com"))
    assert failed.state == "failed"
    assert "Acme has 2 seats, and all are in use." in failed.message
    with acting(app):
        names = select(User.email).where(User.organization_id == acme.id, User.email != ada.email)
        assert db.session.scalars(names).all() == ["one@example.com"]


def test_seats_limit_forms_bulk_changes_and_other_programs_but_people_can_always_leave(
    app: Flask, root: Person, ada: Person, uma: Person, guest: Person, acme: Tenant, put: Callable[..., None]
) -> None:
    ours = page_client(app, ada)
    put(acme, seat_limit=2)  # below the three in use
    full = "Acme has 2 seats, and all are in use."

    answer = ours.send("/users/new", {**NEW, "email": "nina@example.com"})
    assert (answer.status_code, full in text_of(answer.text)) == (422, True)
    with acting(app, ada):
        for person in (uma, guest):
            users.set_active(person.id, is_active=False)
        users.set_active(uma.id, is_active=True)
        with pytest.raises(Conflict, match=full):
            users.set_active(guest.id, is_active=True)
    rows = [{"id": uuid7(), "email": f"{n}@example.com", "organization_id": acme.id} for n in "xy"]
    with acting(app), pytest.raises(Conflict, match=full):
        add_people([{**one, "role": Role.USER} for one in rows])
    with acting(app):
        add_people([{**one, "role": Role.SUPER_ADMIN} for one in rows])
        add_people([{"id": uuid7(), "email": "off@example.com", "organization_id": acme.id, "is_active": False}])


@command
def add_people(rows: list[dict[str, Any]]) -> None:
    db.session.execute(insert(User), rows)


def session_of(app: Flask, person: Person) -> Session:
    with acting(app):
        newest = select(Session).where(Session.user_id == person.id).order_by(Session.id.desc()).limit(1)
        return db.session.scalars(newest).one()


def test_shorter_limits_apply_to_existing_and_new_sessions(
    app: Flask, ada: Person, uma: Person, bea: Person, acme: Tenant, put: Callable[..., None]
) -> None:
    clients = [page_client(app, one) for one in (uma, bea)]
    with acting(app):
        age_sessions(timedelta(minutes=20))
    put(acme, session_hours=2, idle_minutes=15)

    assert [one.get("/account/").status_code for one in clients] == [303, 200]
    page_client(app, uma)
    made = session_of(app, uma)
    assert made.ends_at - made.created_at == timedelta(hours=2)
    assert made.expires_at - made.used_at == timedelta(minutes=15)
    assert session_of(app, bea).ends_at - session_of(app, bea).created_at > timedelta(hours=2)


def test_sessions_of_people_who_move_come_along_and_become_as_short(
    app: Flask, root: Person, uma: Person, guest: Person, acme: Tenant, birch: Tenant, put: Callable[..., None]
) -> None:
    put(birch, session_hours=2, idle_minutes=15)
    clients = [page_client(app, one) for one in (uma, guest)]

    with acting(app, root):
        users.set_value(uma.id, "organization_id", birch.id)
        change = SettingPeople(users, {"organization_id": birch.id})
        carry_out([(change, [guest.id])], lambda _: True)

    for client, person in zip(clients, (uma, guest), strict=True):
        assert client.get("/account/").status_code == 200
        moved = session_of(app, person)
        assert (moved.organization_id, moved.ends_at - moved.created_at) == (birch.id, timedelta(hours=2))
        assert moved.expires_at - moved.used_at == timedelta(minutes=15)
    put(birch, idle_minutes=5)
    assert session_of(app, uma).expires_at - session_of(app, uma).used_at == timedelta(minutes=5)


@command
def age_sessions(age: timedelta) -> None:
    db.session.execute(update(Session).values(used_at=Session.used_at - age), execution_options={"all_tenants": True})


def test_the_password_minimum_applies_to_the_people_of_the_organization(
    app: Flask, uma: Person, bea: Person, acme: Tenant, put: Callable[..., None]
) -> None:
    put(acme, password_minimum=30)
    sent = {"current_password": uma.password, "password": "twenty characters ok"}

    answer = page_client(app, uma).send("/account/password", sent)
    assert (answer.status_code, "Use 30 characters or more." in text_of(answer.text)) == (422, True)
    assert page_client(app, bea).send("/account/password", sent).status_code == 303


def test_other_tenants_settings_are_out_of_reach(
    app: Flask, bea: Person, uma: Person, acme: Tenant, build: Builder
) -> None:
    assert page_client(app, bea).get(page_of(acme)).status_code == 404
    assert page_client(app, uma).get(page_of(acme)).status_code == 403
    sent = {"password_minimum": "20", "version": "1", "csrf_token": ""}
    assert page_client(app, bea).post(f"/organizations/{uuid.uuid4()}/settings", data=sent).status_code in (400, 404)
    assert build.read(Organization, acme.id).version == 1


def test_unknown_values_grant_and_require_nothing(app: Flask) -> None:
    assert not may_invite(Role.ADMIN, "anything", has_two_factor=True)
    assert may_invite(Role.SUPER_ADMIN, "super", has_two_factor=False)
    assert not needs_two_factor(Role.USER, "anything")
    with app.app_context():
        assert read_domains("A.example; b.example,a.EXAMPLE") == "a.example b.example"
