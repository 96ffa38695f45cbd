"""Sentences of the history name the rows that an event mentions, if the reader may see them."""

from __future__ import annotations

import uuid

import pytest
from flask import Flask
from sqlalchemy import delete, text

from portal.activity import queries
from portal.activity.entries import entries_of
from portal.core.actions import Action
from portal.core.actor import Role
from portal.core.db import command, db
from portal.core.history import record
from portal.users.commands import users
from portal.users.models import User
from portal.web.given import actions
from tests.access.visitor import Visitor
from tests.acting import acting, actor_of
from tests.activity.test_views import counted
from tests.activity.test_wording import sentences
from tests.cast import Builder, Person, Tenant

JOINED = Action("joined", "added {users} to {organizations}", "Added somebody", "user-plus")
BOTH = pytest.mark.parametrize("layers", ["both", "scoping_alone"])


@pytest.fixture(autouse=True)
def declared(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, actions.key, {**actions.of(app), JOINED.name: JOINED})


def join(app: Flask, tenant: Tenant, person: uuid.UUID | str, by: Person) -> None:
    """Record an event about an organization that mentions a person, and one about the person that mentions it."""
    who = actor_of(by)
    with acting(app):
        record(JOINED, by=who, tenant=tenant.id, table="organizations", about=tenant.id, details={"users": str(person)})
        if isinstance(person, uuid.UUID):
            record(JOINED, by=who, tenant=tenant.id, about=person, details={"organizations": str(tenant.id)})


@pytest.mark.parametrize("who", ["ada", "root"])
def test_both_histories_name_the_row_that_the_event_mentions_as_a_link(
    app: Flask, acme: Tenant, ada: Person, uma: Person, root: Person, who: str
) -> None:
    join(app, acme, uma.id, by=ada)
    reader = Visitor(app, {"ada": ada, "root": root}[who])

    everything = reader.get("/activity/?action=joined").text
    about_acme, about_uma = (reader.get(path).text for path in (f"/organizations/{acme.id}", f"/users/{uma.id}"))

    links = f'added <a href="/users/{uma.id}">Uma Example</a> to <a href="/organizations/{acme.id}">Acme</a>'
    assert sentences(everything) == ["Ada Example added Uma Example to Acme"] * 2
    assert everything.count(links) == 2
    assert sentences(about_acme)[0] == "Ada Example added Uma Example to this organization"
    assert sentences(about_uma)[0] == "Ada Example added this person to Acme"
    assert "Ada Example added Uma Example to Acme" in sentences(reader.get("/").text)
    assert '"Ada Example","added Uma Example to"' in reader.get("/activity/export?action=joined").text


def test_people_read_in_their_own_history_where_they_were_added_without_links(
    app: Flask, acme: Tenant, ada: Person, uma: Person
) -> None:
    join(app, acme, uma.id, by=ada)
    visitor = Visitor(app, uma)

    page = visitor.get("/account/").text

    assert "Ada Example added you to Acme" in sentences(page)
    assert f"/organizations/{acme.id}" not in page


def test_whoever_adds_themselves_is_named_once(app: Flask, acme: Tenant, ada: Person) -> None:
    join(app, acme, ada.id, by=ada)
    visitor = Visitor(app, ada)

    assert "Ada Example added themselves to Acme" in sentences(visitor.get("/activity/?action=joined").text)
    assert "You added yourself to Acme" in sentences(visitor.get("/account/").text)


@BOTH
def test_a_person_of_another_tenant_or_above_all_reads_as_somebody(
    app: Flask, request: pytest.FixtureRequest, build: Builder, acme: Tenant, ada: Person, bea: Person, root: Person,
    layers: str,
) -> None:  # fmt: skip
    if layers != "both":
        request.getfixturevalue(layers)
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    for one in (bea, chief):
        with acting(app):
            mention = {"users": str(one.id)}
            record(JOINED, by=actor_of(ada), tenant=acme.id, table="organizations", about=acme.id, details=mention)

    visitor = Visitor(app, ada)
    for path in ("/activity/?action=joined", "/", f"/organizations/{acme.id}", "/activity/export?action=joined"):
        page = visitor.get(path).text
        assert page.count("added somebody to") == 2, path
        assert not [one for one in (bea.name, chief.name, f"/users/{bea.id}", f"/users/{chief.id}") if one in page], (
            path
        )
    assert sentences(Visitor(app, root).get("/activity/?action=joined").text) == [
        f"Ada Example added {one.name} to Acme" for one in (chief, bea)
    ]


def test_deleted_rows_keep_their_names_and_removed_ones_and_others_have_none(
    app: Flask, build: Builder, acme: Tenant, ada: Person, uma: Person
) -> None:
    eve = build.person("eve@example.com", tenant=acme)
    for mentioned in (uma.id, eve.id, "no key", ""):
        join(app, acme, mentioned, by=ada)
    with acting(app, ada):
        users.delete(uma.id)
    with acting(app):
        command(db.session.execute)(delete(User).where(User.id == eve.id))

    shown = sentences(Visitor(app, ada).get("/activity/?action=joined").text)

    assert shown.count("Ada Example added Uma Example to Acme") == 2
    assert shown.count("Ada Example added somebody to Acme") == 3
    assert shown.count("Ada Example added Eve Example to Acme") == 1  # the operation keeps the name of its own row


def test_an_event_whose_values_were_erased_names_nobody(app: Flask, acme: Tenant, ada: Person, uma: Person) -> None:
    join(app, acme, uma.id, by=ada)
    with acting(app):
        command(db.session.execute)(text(f"SELECT portal_erase_activity('users', '{uma.id}')"))  # noqa: S608
        command(db.session.execute)(text(f"SELECT portal_erase_activity('organizations', '{acme.id}')"))  # noqa: S608

    assert sentences(Visitor(app, ada).get("/activity/?action=joined").text) == [
        "Ada Example added Uma Example to something",
        "Ada Example added somebody to Acme",
    ]


def test_names_are_looked_up_by_one_statement_for_each_resource(
    app: Flask, build: Builder, acme: Tenant, ada: Person
) -> None:
    for number in range(5):
        join(app, acme, build.person(f"p{number}@example.com", tenant=acme).id, by=ada)

    with acting(app, ada):
        rows = queries.listing({"action": "joined"}, "/").page().rows
        with counted(app) as sent:
            entries = entries_of(rows)

    assert len(entries) == 10
    assert sum("named_users" in one for one in sent) == sum("named_organizations" in one for one in sent) == 1
