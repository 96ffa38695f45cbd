"""Undo is offered where it has an effect, and nowhere else."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from portal.organizations.commands import organizations
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient, undo_in

VERSION = re.compile(r'<button formaction="[^"]+" name="version" value="(\d+)"')


def offered(client: PageClient, person: Person | Tenant, kind: str = "people") -> list[list[int]]:
    """The versions that each page of the history offers to undo: the list, the row's history and the row's own page."""
    own = {"people": "users", "organizations": "organizations"}[kind]
    pages = f"/activity/?row={person.id}", f"/activity/{kind}/{person.id}", f"/{own}/{person.id}"
    return [[int(one) for one in VERSION.findall(client.get(page).text)] for page in pages]


def test_undo_is_not_offered_for_changes_that_were_undone_or_replaced(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    with acting(app, ada):
        users.update(uma.id, 1, {"first_name": "Ulla"})
    assert offered(client, uma) == [[2]] * 3
    with acting(app, ada):
        users.undo(uma.id, 2)
    assert offered(client, uma) == [[3]] * 3, "the undo itself can be undone; what it undid is as before already"
    with acting(app, ada):
        users.update(uma.id, 3, {"first_name": "Ursula"})
        users.update(uma.id, 4, {"first_name": "Uta"})
    assert offered(client, uma) == [[5]] * 3, "what was changed since by somebody else would be refused"


def test_undo_is_offered_for_an_earlier_change_of_another_field_too(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    with acting(app, ada):
        users.update(uma.id, 1, {"first_name": "Ulla"})
        users.update(uma.id, 2, {"last_name": "Else"})

    assert offered(client, uma) == [[3, 2]] * 3


def test_for_deleted_people_only_the_deletion_can_be_undone(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    with acting(app, ada):
        users.update(uma.id, 1, {"first_name": "Ulla"})
        users.delete(uma.id)

    assert offered(client, uma) == [[3]] * 3


def test_the_same_holds_for_organizations(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person, acme: Tenant
) -> None:
    sign_in(root)
    with acting(app, root):
        organizations.update(acme.id, 1, {"name": "Acme Two", "slug": acme.slug})
        organizations.delete(acme.id)

    assert offered(client, acme, "organizations") == [[3]] * 3


def test_every_offered_undo_has_an_effect(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    with acting(app, ada):
        users.update(uma.id, 1, {"first_name": "Ulla"})
        users.set_active(uma.id, is_active=False)
        users.update(uma.id, 3, {"first_name": "Uma", "last_name": "Else"})

    for version in offered(client, uma)[0]:
        before = build.read(User, uma.id).version
        client.send(f"/activity/people/{uma.id}/undo", {"version": version}, at=f"/users/{uma.id}")
        assert build.read(User, uma.id).version > before


@pytest.mark.parametrize("act", ["deactivation", "restore", "edit"])
def test_a_message_offers_undo_only_for_a_change_that_was_just_made(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, act: str
) -> None:
    sign_in(ada)
    client.send(f"/users/{uma.id}/edit", {"first_name": "Ulla"})
    assert undo_in(client.get(f"/users/{uma.id}").text)["version"] == "2"

    sent = {"is_active": "y"} if act == "deactivation" else {}
    fields = client.form(f"/users/{uma.id}/edit")
    client.post(f"/users/{uma.id}/{act}", data={**fields, **sent})  # a change that has no effect

    page = client.get(f"/users/{uma.id}").text
    with pytest.raises(AssertionError, match="nothing to undo"):
        undo_in(page)
