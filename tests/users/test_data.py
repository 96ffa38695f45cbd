"""A person's data as a JSON file, for themselves and for their administrators."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.db import db
from portal.core.history import Activity
from portal.core.purging import belongings
from portal.core.row_security import SECRETS
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.pages import fields_of


def downloads(app: Flask) -> int:
    with acting(app):
        return len(db.session.scalars(select(Activity.id).where(Activity.action == "data_downloaded")).all())


@pytest.fixture
def seen(app: Flask, uma: Person, ada: Person) -> Person:
    """Uma, who signed in and changed her name, and whom Ada made an administrator."""
    own = Visitor(app, uma)
    own.post("/account/", {"first_name": "Ursula", "last_name": "Example", "time_zone": "Europe/Berlin"})
    own.post("/account/email", {"email": "ursula@example.com", "current_password": PASSWORD})
    admin = Visitor(app, ada)
    admin.client.environ_base |= {"REMOTE_ADDR": "203.0.113.77"}
    form = fields_of(admin.get(f"/users/{uma.id}/edit").text)
    admin.post(f"/users/{uma.id}/edit", {**form, "last_name": "Else"})
    return uma


@pytest.mark.parametrize("who", ["uma", "ada", "root"])
def test_the_file_contains_everything_about_the_person_but_no_secret(
    request: pytest.FixtureRequest, app: Flask, seen: Person, root: Person, who: str
) -> None:
    reader = request.getfixturevalue(who)
    path = "/account/export" if who == "uma" else f"/users/{seen.id}/export"
    with acting(app):
        password = db.session.scalars(select(User.password).where(User.id == seen.id)).one()

    answer = Visitor(app, reader).get(path)

    found = json.loads(answer.text)
    assert answer.mimetype == "application/json"
    assert f"person-{seen.id}" in answer.headers["Content-Disposition"]
    assert set(found) == {"history", *(table.name for table in belongings(User))}
    (person,) = found["users"]
    assert (person["email"], person["first_name"], person["last_name"]) == ("uma@example.com", "Ursula", "Else")
    assert person["time_zone"] == "Europe/Berlin"
    assert person["role"] == "USER"
    assert found["sessions"][0]["agent"]
    changes = [one["changes"] for one in found["history"] if one["action"] == "update"]
    assert {"first_name": ["Uma", "Ursula"]}.items() <= changes[0].items()
    assert {"last_name": ["Example", "Else"]} in changes
    assert password and password not in answer.text
    for table, columns in SECRETS.items():
        assert not any(set(columns) & set(row) for row in found.get(table, ())), table


def test_addresses_of_others_are_not_in_the_file(app: Flask, seen: Person, root: Person) -> None:
    for reader, path in ((seen, "/account/export"), (root, f"/users/{seen.id}/export")):
        assert "203.0.113.77" not in Visitor(app, reader).get(path).text


def test_an_admin_does_not_see_what_a_person_was_elsewhere(
    app: Flask, build: Builder, root: Person, ada: Person, birch: Tenant, acme: Tenant
) -> None:
    kim = build.person("kim@example.com", tenant=birch, first_name="Kestrel")
    mover = Visitor(app, root)
    for values in ({"first_name": "Kim"}, {"organization_id": acme.slug, "last_name": "Moved"}):
        path = f"/users/{kim.id}/edit"
        answer = mover.post(path, {**fields_of(mover.get(path).text), **values})
        if answer.status_code == 200:
            mover.post(path, fields_of(answer.text, path))

    for reader, path in ((ada, f"/users/{kim.id}/export"), (kim, "/account/export")):
        found = Visitor(app, reader).get(path)
        assert json.loads(found.text)["users"][0]["organization_id"] == str(acme.id)
        assert str(birch.id) not in found.text
    assert "Kestrel" not in Visitor(app, ada).get(f"/users/{kim.id}/export").text
    assert "Kestrel" in Visitor(app, root).get(f"/users/{kim.id}/export").text


def test_the_data_of_others_is_not_found(
    app: Flask, build: Builder, acme: Tenant, ada: Person, bea: Person, uma: Person, root: Person
) -> None:
    hidden = build.person("hidden@example.com", role=Role.SUPER_ADMIN, tenant=acme)

    assert Visitor(app, bea).get(f"/users/{uma.id}/export").status_code == 404
    assert Visitor(app, ada).get(f"/users/{hidden.id}/export").status_code == 404
    assert Visitor(app, uma).get(f"/users/{uma.id}/export").status_code == 403
    assert downloads(app) == 0


def test_a_download_is_recorded_once_and_a_head_request_is_not(app: Flask, ada: Person, uma: Person) -> None:
    visitor = Visitor(app, ada)
    for path in (f"/users/{uma.id}/export", "/account/export", "/users/export"):
        assert visitor.client.head(path).status_code == 200
        with acting(app):
            done = select(Activity.id).where(Activity.action.in_(("data_downloaded", "export")))
            assert db.session.scalars(done).all() == []
    visitor.get(f"/users/{uma.id}/export")

    assert downloads(app) == 1
    assert "downloaded the data of" in visitor.get(f"/users/{uma.id}").text
