"""Sign-ins and refusals are recorded, and the history contains no secrets."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from flask import Flask
from sqlalchemy import event, func, select, text, update

from portal.core.actor import Role
from portal.core.db import command, db
from portal.core.history import Activity
from portal.mail.message import Email
from portal.users.models import User
from tests.access.visitor import Visitor, token_in
from tests.acting import acting, within_one_minute
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.mailbox import email_of, path_of
from tests.pages import fields_of


def events(app: Flask, *actions: str) -> list[Activity]:
    with acting(app):
        return list(db.session.scalars(select(Activity).where(Activity.action.in_(actions)).order_by(Activity.id)))


def fail(visitor: Visitor, email: str, **kwargs: Any) -> None:
    assert visitor.post("/login", {"email": email, "password": "wrong"}, **kwargs).status_code == 422


def test_lg2_signing_in_and_out_are_events_by_and_about_the_person(app: Flask, uma: Person) -> None:
    Visitor(app, uma).post("/logout")

    first, last = events(app, "sign_in", "sign_out")
    assert (first.action, last.action) == ("sign_in", "sign_out")
    for one in (first, last):
        assert (one.actor_id, one.actor_role, one.row_id) == (uma.id, "USER", uma.id)
        assert (one.organization_id, one.address) == (uma.organization_id, "127.0.0.1")
        assert one.request_id
        assert one.agent
        assert one.changes is None


def test_lg2_a_failed_sign_in_is_seen_by_the_tenant_of_the_account_and_one_of_a_stranger_by_none(
    app: Flask, uma: Person, root: Person
) -> None:
    for email in (uma.email, root.email, "nobody@example.com"):
        fail(Visitor(app), email)

    found = events(app, "sign_in_failed")
    assert [(one.row_id, one.organization_id) for one in found] == [
        (uma.id, uma.organization_id), (root.id, None), (None, None),
    ]  # fmt: skip
    assert {(one.actor_id, one.actor_role, one.address) for one in found} == {(None, "SYSTEM", "127.0.0.1")}


def test_lg2_a_failed_sign_in_runs_the_same_statements_whether_or_not_the_address_is_known(
    app: Flask, uma: Person
) -> None:
    with app.app_context():
        engine = db.engine
    statements: list[str] = []

    def watch(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(re.sub(r"_\d+$", "", statement))  # savepoints are numbered

    visitor, seen = Visitor(app), []
    event.listen(engine, "before_cursor_execute", watch)
    for email in (uma.email, "nobody@example.com"):
        statements.clear()
        fail(visitor, email)
        seen.append(list(statements))
    event.remove(engine, "before_cursor_execute", watch)

    assert seen[0] == seen[1]
    assert any("portal_record" in one for one in seen[0])


def test_lg2_refused_access_is_recorded_with_the_path(app: Flask, uma: Person) -> None:
    visitor = Visitor(app, uma)

    assert visitor.get("/users/").status_code == 403

    (one,) = events(app, "refused")
    assert (one.actor_id, one.actor_role, one.organization_id) == (uma.id, "USER", uma.organization_id)
    assert one.changes == {"path": [None, "GET /users/"]}
    assert one.request_id


def test_lg2_refusing_an_address_that_is_in_use_elsewhere_is_recorded(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=build.tenant("Acme"))
    bea = build.person("bea@example.com", tenant=build.tenant("Birch"))
    visitor = Visitor(fresh_app, ada)

    answer = visitor.post("/users/new", {"email": bea.email, "role": "USER", "is_active": "true", **key_of(visitor)})

    assert answer.status_code == 422
    (one,) = events(fresh_app, "address_refused")
    assert (one.actor_id, one.organization_id, one.row_id) == (ada.id, ada.organization_id, None)
    assert bea.email not in repr(one.changes)


@command
def minutes_later() -> None:
    db.session.execute(text("UPDATE activity_repeats SET minute = minute - interval '2 minutes'"))
    db.session.execute(select(func.portal_gather_repeats()))


def test_lg2_twenty_failures_in_a_minute_are_one_event_at_once_and_one_that_counts_the_others(
    app: Flask, build: Builder, acme: Tenant
) -> None:
    visitor = Visitor(app)

    def fail_often(number: int) -> Person:
        person = build.person(f"person{number}@example.com", tenant=acme)
        for _ in range(20):
            fail(visitor, person.email)
        return person

    def failures() -> list[Activity]:
        return [one for one in events(app, "sign_in_failed") if one.row_id == person.id]

    person = within_one_minute(app, fail_often)
    at_once = [one.times for one in failures()]
    with acting(app):
        minutes_later()
        minutes_later()

    first, rest = failures()
    assert at_once == [1]
    assert (first.times, rest.times) == (1, 19)
    assert (rest.address, rest.organization_id) == ("127.0.0.1", acme.id)
    assert (rest.actor_id, rest.actor_role, rest.agent) == (None, "SYSTEM", first.agent)
    assert rest.operation_id != first.operation_id


def test_lg2_failures_of_other_accounts_addresses_or_minutes_are_separate_events(
    app: Flask, uma: Person, ada: Person
) -> None:
    visitor = Visitor(app)
    fail(visitor, uma.email)
    fail(visitor, ada.email)
    fail(visitor, uma.email, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    with acting(app):
        minutes_later()
    fail(visitor, uma.email)

    found = events(app, "sign_in_failed")
    assert [one.times for one in found] == [1, 1, 1, 1]
    assert [one.address for one in found] == ["127.0.0.1", "127.0.0.1", "192.0.2.7", "127.0.0.1"]


def everything_written(app: Flask) -> str:
    """The history as text, including counted repeats that are not events yet."""
    with acting(app):
        both = ("SELECT a::text FROM activity a", "SELECT r::text FROM activity_repeats r")
        return "\n".join(row for query in both for row in db.session.scalars(text(query)))


def test_lg6_no_secret_of_an_account_is_ever_in_the_history(app: Flask, root: Person, acme: Tenant) -> None:
    chief, secrets = Visitor(app, root), {PASSWORD}
    sent = {"email": "life@example.com", "role": "ADMIN", "is_active": "true", "organization_id": str(acme.id)}
    made = chief.post("/users/new", {**sent, **key_of(chief)})
    assert made.status_code == 303
    with acting(app):
        person = db.session.scalars(select(User).where(User.email == "life@example.com")).one()
    one, new = Visitor(app), "a password of their own choosing"
    secrets.add(open_link(one, email_of(app, "invitation", person.id)))
    form = fields_of(one.get("/invitations/").text)
    assert one.post("/invitations/", {**form, "password": PASSWORD}).status_code == 303
    changed = {"current_password": PASSWORD, "password": new}
    chosen = one.post("/account/password", {**changed, "csrf_token": token_in(one.get("/account/password").text)})
    assert chosen.status_code == 303, chosen.text[:3000]
    fail(Visitor(app), person.email)
    reset = chief.post(f"/users/{person.id}/password")
    assert reset.status_code == 303
    secrets |= {new, open_link(one, email_of(app, "password_reset", person.id)), "wrong"}
    assert chief.confirm(f"/users/{person.id}/delete").status_code == 303
    asked = chief.post(f"/users/{person.id}/restore")
    assert chief.post(f"/users/{person.id}/restore", fields_of(asked.text)).status_code == 303

    found = everything_written(app)
    with acting(app):
        tokens = db.session.scalars(text("SELECT token FROM sessions")).all()
        hashes = [one for one in db.session.scalars(text("SELECT password FROM users")) if one]
    assert found.count("life@example.com") == 0  # the values of a new row are only in the row
    for action in ("create", "sign_in", "sign_in_failed", "update", "delete", "restore"):
        assert action in found
    assert '""password"": []' in found
    for secret in (*secrets, *tokens, *hashes, *(hashlib.sha256(one.encode()).hexdigest() for one in secrets), "$2"):
        assert secret not in found


def key_of(visitor: Visitor) -> dict[str, str]:
    """The signed key of the new row."""
    return {name: value for name, value in fields_of(visitor.get("/users/new").text).items() if "key" in name}


def open_link(visitor: Visitor, message: Email) -> str:
    """Open an emailed link, and return its secret."""
    path = path_of(message)
    assert visitor.get(path).status_code == 303
    return path.rsplit("/", 1)[1]


def test_lg6_removing_a_person_records_everything_but_the_password(app: Flask, build: Builder, acme: Tenant) -> None:
    person = build.person("gone@example.com", tenant=acme)
    with acting(app):
        remove(person)

    (one,) = events(app, "remove")
    assert one.changes is not None
    assert one.changes["email"] == [person.email, None]
    assert "password" not in one.changes
    assert "$2" not in everything_written(app)


@command
def remove(person: Person) -> None:
    db.session.execute(text("DELETE FROM users WHERE id = :id"), {"id": person.id})


def test_lg6_user_agents_are_shortened_and_stored_without_control_codes(app: Flask, uma: Person) -> None:
    visitor = Visitor(app)
    fail(visitor, uma.email, headers={"User-Agent": "Evil\x1b[2J\x9b31m\x07 browser" + "x" * 5000})

    (one,) = events(app, "sign_in_failed")
    assert one.agent is not None
    assert one.agent.isprintable()
    assert one.agent.startswith("Evil[2J31m browser")
    assert len(one.agent) <= 200


def test_lg6_a_changed_role_is_recorded_but_not_the_password_hash_changed_with_it(app: Flask, uma: Person) -> None:
    with acting(app):
        promote(uma)

    newest = events(app, "update")[-1]
    assert newest.changes == {"password": [], "role": ["USER", "ADMIN"]}


@command
def promote(person: Person) -> None:
    values = {"role": Role.ADMIN, "password": "$2b$04$abcdefghijklmnopqrstuv"}
    db.session.execute(update(User).where(User.id == person.id).values(**values))
