"""Permanent deletion leaves no personal value in any table, and keeps the history verifiable."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

from portal.activity import seals
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import Conflict, Missing
from portal.core.history import Activity
from portal.core.keys import uuid7
from portal.core.models import Base
from portal.core.purging import belongings
from portal.mail.queue import remove_old_rows, send
from portal.mfa.models import Authenticator, Passkey, RecoveryCode
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.teams.commands import teams
from portal.teams.models import Team, TeamMember
from portal.tokens.models import ApiToken
from portal.users.commands import users
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting, run_concurrently
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.pages import fields_of

AGENT = "Wombat/9.9"
VALUES = ("wombat", "quokka", "numbat", "203.0.113.77", "Pacific/Chatham")


def everything(app: Flask) -> str:
    """Every row of every table as text, with all its columns."""
    with acting(app):
        tables = db.session.scalars(text("SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace IN ('public'::regnamespace, 'queue'::regnamespace)")).all()  # fmt: skip
        return "\n".join(
            str(one)
            for table in tables
            for one in db.session.scalars(text(f"SELECT r::text FROM {table} r"))  # noqa: S608
        )


def left(app: Flask) -> list[str]:
    found = everything(app).casefold()
    return [one for one in VALUES if one.casefold() in found]


@pytest.fixture
def wombat(app: Flask, build: Builder, acme: Tenant, ada: Person) -> Person:
    """Somebody of Acme who did and has everything that can be done and had."""
    person = build.person("wombat@example.com", tenant=acme, first_name="Wombat", last_name="Numbat")
    own = Visitor(app)
    own.client.environ_base |= {"REMOTE_ADDR": "203.0.113.77", "HTTP_USER_AGENT": AGENT}
    own.post("/login", {"email": person.email, "password": "wrong"})
    own.sign_in(person)
    own.post("/account/", {"first_name": "Quokka", "last_name": "Numbat", "time_zone": "Pacific/Chatham"})
    own.post("/account/email", {"email": "quokka@example.com", "current_password": PASSWORD})
    admin = Visitor(app, ada)
    shown = fields_of(admin.get(f"/users/{person.id}/edit").text)
    file = io.BytesIO(b"Email,First name\nwombat@example.com,Wombat\nother@example.com,Other\nnumbat,Numbat\n")
    assert admin.post("/imports/", {"file": (file, "people.csv")}).status_code == 303
    asked = admin.post(f"/users/{person.id}/edit", {**shown, "first_name": "Wombata", "role": "ADMIN"})
    admin.post(f"/users/{person.id}/edit", fields_of(asked.text))
    with acting(app):
        add_everything(person, acme)
        send("password_changed", person.id)
    return person


@command
def add_everything(person: Person, tenant: Tenant) -> None:
    at, owner = now() + timedelta(days=1), {"user_id": person.id}
    token = {"token": "x", "name": "Wombat's token", "beginning": "pt_", "scopes": ["profile"], "expires_at": at}
    team = Team(id=uuid.uuid4(), name="Drivers", organization_id=tenant.id)
    db.session.add(team)
    db.session.flush()
    db.session.add_all(
        [
            ApiToken(**owner, organization_id=tenant.id, **token),
            Authenticator(**owner, secret="wombat", last_step=1),
            Passkey(**owner, name="Wombat's phone", credential_id=b"x", public_key=b"x", sign_count=0),
            RecoveryCode(**owner, code="wombat"),
            TeamMember(team_id=team.id, user_id=person.id, organization_id=tenant.id),
        ]
    )


def seal(app: Flask) -> None:
    with acting(app):
        assert seals.seal() is not None


def doubts(app: Flask) -> list[Any]:
    with acting(app):
        return seals.doubts()


@pytest.mark.parametrize("sealed", ["before", "between", "afterwards"])
def test_no_table_contains_a_personal_value_of_a_purged_person_and_the_seals_verify(
    app: Flask, build: Builder, root: Person, ada: Person, acme: Tenant, wombat: Person, sealed: str
) -> None:
    assert set(left(app)) == set(VALUES)
    if sealed == "before":
        seal(app)
    with acting(app, root):
        users.delete(wombat.id)
        if sealed == "between":
            seals.seal()
        users.purge(wombat.id)
    seal(app)

    assert left(app) == []
    assert doubts(app) == []
    assert build.read(User, wombat.id) is None
    assert build.read(User, ada.id).first_name == "Ada"
    with acting(app):
        done = select(Activity.action, Activity.actor_id).where(Activity.row_id == wombat.id)
        newest = [tuple(one) for one in db.session.execute(done.order_by(Activity.id.desc()).limit(4))]
        assert newest[0] == ("erase", root.id)
        assert ("remove", root.id) in newest


@pytest.mark.parametrize("sealed", [True, False])
def test_what_a_purged_person_did_to_others_keeps_no_address_and_no_device(
    app: Flask, build: Builder, acme: Tenant, root: Person, uma: Person, sealed: bool
) -> None:
    person = build.person("wombat@example.com", tenant=acme, role=Role.ADMIN)
    admin = Visitor(app)
    admin.client.environ_base |= {"REMOTE_ADDR": "203.0.113.77", "HTTP_USER_AGENT": AGENT}
    admin.sign_in(person)
    page = f"/users/{uma.id}/edit"
    admin.post(page, {**fields_of(admin.get(page).text, page), "first_name": "Ursula"})
    if sealed:
        seal(app)

    with acting(app, root):
        users.delete(person.id)
        users.purge(person.id)
    seal(app)

    assert (left(app), doubts(app)) == ([], [])
    with acting(app):
        event = db.session.scalars(
            select(Activity).where(Activity.row_id == uma.id, Activity.actor_id == person.id)
        ).one()
        assert (event.changes, event.address, event.agent) == ({"first_name": ["Uma", "Ursula"]}, None, None)


def test_the_address_of_a_purged_person_is_free_without_an_offer_to_restore(
    app: Flask, root: Person, acme: Tenant, gil: Person
) -> None:
    values = {"email": gil.email, "organization_id": acme.id}
    with acting(app, root):
        with pytest.raises(Conflict):
            users.create(values, row_id=uuid7())
        users.purge(gil.id)
        users.create(values, row_id=uuid7())


def test_only_deleted_rows_can_be_purged_and_only_once(
    app: Flask, build: Builder, root: Person, acme: Tenant, uma: Person, gil: Person
) -> None:
    with acting(app, root):
        for purge, key in ((users.purge, uma.id), (organizations.purge, acme.id), (users.purge, uuid.uuid4())):
            with pytest.raises(Missing):
                purge(key)
        users.purge(gil.id)
        with pytest.raises(Missing):
            users.purge(gil.id)

    assert build.read(User, uma.id).deleted_at is None
    assert build.read(Organization, acme.id).deleted_at is None


def test_a_team_is_purged_with_its_members_but_not_the_people(
    app: Flask, build: Builder, root: Person, uma: Person, wombat: Person
) -> None:
    with acting(app, root):
        team = db.session.scalars(select(Team)).one()
        teams.update(team.id, team.version, {"description": "the Bilby route"})
        teams.delete(team.id)
        teams.purge(team.id)

    assert "bilby" not in everything(app).casefold()
    assert "drivers" not in everything(app).casefold()
    assert build.read(User, wombat.id).first_name == "Wombata"
    assert doubts(app) == []


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.core.purging.AT_ONCE", 2)


@pytest.mark.usefixtures("few_at_once")
def test_an_organization_is_purged_in_batches_with_all_its_rows_and_nothing_else(
    app: Flask, build: Builder, root: Person, acme: Tenant, bea: Person, gil: Person, wombat: Person
) -> None:
    for number in range(5):
        build.person(f"numbat{number}@example.com", tenant=acme)
    with acting(app, root):
        organizations.delete(acme.id)
        before = func.count(func.distinct(Activity.operation_id))
        operations = db.session.scalar(select(before)) or 0
        organizations.purge(acme.id)
        assert (db.session.scalar(select(before)) or 0) >= operations + 5
    seal(app)

    assert left(app) == []
    assert doubts(app) == []
    assert "acme" not in everything(app).casefold()
    with acting(app):
        emails = db.session.scalars(select(User.email).order_by(User.email), execution_options={"with_deleted": True})
        assert list(emails) == [bea.email, root.email]


@pytest.mark.usefixtures("few_at_once")
def test_an_interrupted_purge_of_an_organization_continues_where_it_stopped(
    app: Flask, build: Builder, root: Person, acme: Tenant
) -> None:
    for number in range(7):
        build.person(f"numbat{number}@example.com", tenant=acme)
    with acting(app, root):
        organizations.delete(acme.id)
        assert [organizations.purge_batch(acme.id) for _ in range(2)] == [2, 2]
        inside = select(func.count(User.id)).where(User.organization_id == acme.id)
        assert db.session.scalar(inside) == 3
        organizations.purge(acme.id)
        assert db.session.scalar(inside) == 0

    assert build.read(Organization, acme.id) is None


def test_a_row_that_is_purged_and_restored_at_once_is_either(
    fresh_app: Flask,
) -> None:
    build = Builder(fresh_app)
    for number in range(5):
        person = build.person(f"numbat{number}@example.com", deleted_at=now())

        def outcome(act: Callable[[uuid.UUID], Any], key: uuid.UUID = person.id) -> str:
            try:
                act(key)
            except Missing:
                return "missing"
            return "done"

        results = run_concurrently(fresh_app, [lambda: outcome(users.purge), lambda: outcome(users.restore)])

        row = build.read(User, person.id)
        assert sorted(map(str, results)) == ["done", "missing"] if row is None or not row.is_deleted else False


@pytest.fixture
def old(app: Flask, build: Builder, acme: Tenant, birch: Tenant, gil: Person, uma: Person) -> None:
    """Deleted 31 days ago: Gil, a team, and Birch with a person who was not deleted. Eve was 29 days ago."""
    build.person("eve@example.com", tenant=acme, deleted_at=now() - timedelta(days=29))
    build.person("bob@example.com", tenant=birch)

    @command
    def age() -> None:
        db.session.add(Team(name="Drivers", organization_id=acme.id, deleted_at=now() - timedelta(days=31)))
        for model, key in ((User, gil.id), (Organization, birch.id)):
            values = {"deleted_at": now() - timedelta(days=31)}
            options = {"synchronize_session": False, "with_deleted": True}
            db.session.execute(update(model).where(model.id == key).values(values), execution_options=options)

    with acting(app):
        age()


@pytest.mark.usefixtures("old", "few_at_once")
@pytest.mark.parametrize(("days", "emails"), [
    (0, ["bob@example.com", "eve@example.com", "gil@example.com", "uma@example.com"]),
    (30, ["eve@example.com", "uma@example.com"]),
])  # fmt: skip
def test_the_worker_purges_what_was_deleted_before_the_retention_period_if_there_is_one(
    app: Flask, change_settings: Callable[..., None], days: int, emails: list[str]
) -> None:
    change_settings(keep_deleted_days=days)
    with app.app_context():
        removed = remove_old_rows()
        again = remove_old_rows()

    counts = {"deleted people": 1, "deleted organizations": 1, "deleted teams": 1, "deleted saved views": 0}
    assert {name: many for name, many in removed.items() if name.startswith("deleted ")} == (counts if days else {})
    assert not any(again.values())
    with acting(app):
        found = db.session.scalars(select(User.email).order_by(User.email), execution_options={"with_deleted": True})
        assert list(found) == emails


def test_whatever_belongs_to_a_person_is_found_by_its_foreign_key() -> None:
    tenants, of_people = Base.metadata.tables["organizations"], belongings(User)

    assert {table.name for table in of_people} == {
        "api_tokens", "authenticators", "imports", "follows", "jobs", "list_arrangements", "outbox_emails", "passkeys",
        "recovery_codes", "refresh_tokens", "saved_views", "sessions", "team_members", "users",
    }  # fmt: skip
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            for key in column.foreign_keys:
                goes_with_its_person = key.column.table is tenants and table in of_people
                assert key.ondelete == "CASCADE" or goes_with_its_person, f"{table.name}.{column.name}"
