"""The pages of the history, and undo."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import html5lib
import pytest
from flask import Flask
from sqlalchemy import event, insert, select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import Conflict
from portal.core.history import Activity
from portal.core.operations import Operation
from portal.organizations.models import Organization
from portal.teams.commands import teams
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting, run_concurrently
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.pages import HTMX, PageClient, fields_of, undo_in

FORGED = (
    "", "0", "-1", "1", "99", "9" * 30, "2147483648", "²", "٢", "abc", "2.0", "2 OR 1=1", " 2", "0x2", "+2", "\u202e2",
)  # fmt: skip


def versions_in(text: str) -> list[str]:
    """The versions that the history on a page offers to undo, newest first."""
    trail = html5lib.parse(text, namespaceHTMLElements=False).find(".//ol[@class='trail']")
    buttons = [] if trail is None else list(trail.iter("button"))
    return [button.get("value", "") for button in buttons if button.get("name") == "version"]


def undo(client: PageClient, row: Person | Tenant, version: object, **kwargs: Any) -> Any:
    """Press the button that undoes a version, and confirm the consequences if asked."""
    kind, page = ("people", "users") if isinstance(row, Person) else ("organizations", "organizations")
    token = re.search(r'name="csrf_token" (?:type="hidden" )?value="([^"]+)"', client.get(f"/{page}/{row.id}").text)
    assert token is not None
    path = f"/activity/{kind}/{row.id}/undo"
    answer = client.post(path, data={"csrf_token": token.group(1), "version": str(version)}, **kwargs)
    if answer.status_code == 200 and "Undo this change?" in answer.text:  # the consequences must be confirmed
        return client.post(path, data=fields_of(answer.text, path), **kwargs)
    return answer


def note(client: PageClient, row: Person | Tenant) -> str:
    """The messages on the row's page."""
    page = "users" if isinstance(row, Person) else "organizations"
    text = client.get(f"/{page}/{row.id}").text
    toasts = html5lib.parse(text, namespaceHTMLElements=False).find(".//div[@id='toasts']")
    return " ".join("".join(toasts.itertext()).split()) if toasts is not None else ""


def values_of(build: Builder, row: Person | Tenant) -> tuple[Any, ...]:
    if isinstance(row, Tenant):
        organization = build.read(Organization, row.id)
        return organization.name, organization.slug, organization.deleted_at
    user = build.read(User, row.id)
    return (
        user.email, user.first_name, user.last_name, user.role, user.is_active, user.email_verified,
        user.organization_id, user.deleted_at, user.pending_email,
    )  # fmt: skip


def of_row(app: Flask, row_id: uuid.UUID) -> list[Activity]:
    """The events of a row, oldest first."""
    with acting(app):
        return list(db.session.scalars(select(Activity).filter_by(row_id=row_id).order_by(Activity.id)))


# Undo of every kind of change, from the message and from the history


def press(client: PageClient, path: str, action: str) -> str:
    """Send the form as it is, and return the next page."""
    fields = fields_of(client.get(path).text, action)
    answer = client.post(action, data=fields)
    assert answer.status_code == 303, answer.text[:500]
    return client.get(answer.headers["Location"]).text


def edit(client: PageClient, row: Person | Tenant, **values: str) -> str:
    page = "users" if isinstance(row, Person) else "organizations"
    answer = client.send(f"/{page}/{row.id}/edit", values)
    if answer.status_code == 200:  # the consequences must be confirmed
        answer = client.post(f"/{page}/{row.id}/edit", data=fields_of(answer.text))
    assert answer.status_code == 303, answer.text[:3000]
    return client.get(answer.headers["Location"]).text


CHANGES_OF_PEOPLE: dict[str, Callable[[PageClient, Person], str]] = {
    "names": lambda client, row: edit(client, row, first_name="Ulla", last_name=""),
    "address": lambda client, row: edit(client, row, email="ulla@example.com"),
    "role": lambda client, row: edit(client, row, role="ADMIN"),
    "everything": lambda client, row: edit(
        client, row, first_name="Ulla", email="ulla@example.com", role="ADMIN", is_active="false"
    ),
    "deactivation": lambda client, row: press(client, f"/users/{row.id}/deactivation", f"/users/{row.id}/deactivation"),
    "deletion": lambda client, row: press(client, f"/users/{row.id}/delete", f"/users/{row.id}/delete"),
}
CHANGES_OF_ORGANIZATIONS: dict[str, Callable[[PageClient, Tenant], str]] = {
    "name": lambda client, row: edit(client, row, name="Acme & Sons"),
    "both": lambda client, row: edit(client, row, name="Acme & Sons", slug="acme-and-sons"),
    "deletion": lambda client, row: press(client, f"/organizations/{row.id}/delete", f"/organizations/{row.id}/delete"),
}


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize("place", ["message", "history"])
@pytest.mark.parametrize("who", ["ada", "root"])
@pytest.mark.parametrize("change", CHANGES_OF_PEOPLE)
def test_every_change_of_a_person_can_be_undone_from_its_message_and_from_the_history(
    client: PageClient, sign_in: SignIn, build: Builder, uma: Person, ada: Person, root: Person,
    change: str, who: str, place: str, *, htmx: bool,
) -> None:  # fmt: skip
    sign_in({"ada": ada, "root": root}[who])
    before = values_of(build, uma)

    page = CHANGES_OF_PEOPLE[change](client, uma)
    assert values_of(build, uma) != before
    undo_from(client, uma, page, place, htmx=htmx)

    assert values_of(build, uma) == before


def undo_from(client: PageClient, row: Person | Tenant, page: str, place: str, *, htmx: bool) -> None:
    kind, path = ("people", "users") if isinstance(row, Person) else ("organizations", "organizations")
    fields = (
        undo_in(page)
        if place == "message"
        else undo_in(page) | {"version": versions_in(client.get(f"/{path}/{row.id}").text)[0]}
    )
    answer = client.post(f"/activity/{kind}/{row.id}/undo", data=fields, headers=HTMX if htmx else {})
    if answer.text:  # the consequences must be confirmed
        assert answer.text.startswith("<dialog") is htmx
        answer = client.confirm(answer, headers=HTMX if htmx else {})
    assert (answer.status_code, answer.headers["HX-Redirect" if htmx else "Location"]) == (
        200 if htmx else 303,
        f"/{path}/{row.id}",
    )


@pytest.mark.parametrize("place", ["message", "history"])
@pytest.mark.parametrize("change", CHANGES_OF_ORGANIZATIONS)
def test_every_change_of_an_organization_can_be_undone_from_its_message_and_from_the_history(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person, change: str, place: str
) -> None:
    sign_in(root)
    before = values_of(build, acme)

    page = CHANGES_OF_ORGANIZATIONS[change](client, acme)
    assert values_of(build, acme) != before
    undo_from(client, acme, page, place, htmx=False)

    assert values_of(build, acme) == before


@pytest.mark.parametrize("kind", ["person", "organization"])
def test_undoing_a_restore_brings_back_the_time_of_deletion(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, uma: Person, root: Person, kind: str
) -> None:
    row: Person | Tenant = uma if kind == "person" else acme
    path = f"/{'users' if kind == 'person' else 'organizations'}/{row.id}"
    sign_in(root)
    press(client, f"{path}/delete", f"{path}/delete")
    deleted = values_of(build, row)

    restored = press(client, path, f"{path}/restore")
    assert "restored." in restored
    undo_from(client, row, restored, "message", htmx=False)

    assert values_of(build, row) == deleted


def test_an_admin_can_undo_renaming_their_organization(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    sign_in(ada)
    edit(client, acme, name="Acme & Sons")

    undo(client, acme, 2)

    assert build.read(Organization, acme.id).name == "Acme"
    assert "Change undone." in note(client, acme)


def test_undo_keeps_later_changes_of_other_fields(
    client: PageClient, sign_in: SignIn, build: Builder, uma: Person, ada: Person
) -> None:
    sign_in(ada)
    edit(client, uma, first_name="Ulla")
    edit(client, uma, last_name="Later", role="ADMIN")

    undo(client, uma, 2)

    row = build.read(User, uma.id)
    assert (row.first_name, row.last_name, row.role, row.version) == ("Uma", "Later", Role.ADMIN, 4)


def test_an_undo_is_recorded_with_its_actor_and_can_be_undone(
    client: PageClient, sign_in: SignIn, app: Flask, build: Builder, uma: Person, ada: Person
) -> None:
    sign_in(ada)
    edit(client, uma, first_name="Ulla")
    undo(client, uma, 2)

    page = client.get(f"/users/{uma.id}").text
    newest = of_row(app, uma.id)[-1]
    assert (newest.actor_id, newest.undoes, newest.action) == (ada.id, 2, "update")
    assert newest.changes == {"first_name": ["Ulla", "Uma"]}
    with acting(app, ada):
        undone = select(Operation.undoes).where(Operation.id == newest.operation_id)
        assert db.session.scalars(undone).one() == of_row(app, uma.id)[-2].operation_id
    assert "by undoing an earlier change" in page
    undo_from(client, uma, page, "message", htmx=False)

    assert build.read(User, uma.id).first_name == "Ulla"
    assert [one.undoes for one in of_row(app, uma.id)] == [None, None, 2, 3]


def test_changes_after_an_undo_are_not_recorded_as_undo(
    client: PageClient, sign_in: SignIn, app: Flask, uma: Person, ada: Person
) -> None:
    sign_in(ada)
    edit(client, uma, first_name="Ulla")
    undo(client, uma, 2)
    edit(client, uma, first_name="Una")

    assert [one.undoes for one in of_row(app, uma.id)] == [None, None, 2, None]


# Undo and changes by others


def test_an_undo_of_values_that_changed_since_is_refused_with_both_values(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, birch: Tenant, uma: Person, root: Person
) -> None:
    build.tenant("Cedar")
    sign_in(root)
    edit(client, uma, first_name="Ulla", last_name="", role="ADMIN", organization_id="birch", is_active="false")
    edit(client, uma, first_name="Una", last_name="Late", role="SUPER_ADMIN", organization_id="cedar")
    before = values_of(build, uma)

    undo(client, uma, 2)

    assert values_of(build, uma) == before
    message = note(client, uma)
    for sentence in (
        "Not undone.",
        "First name has changed since: it is now “Una”, and was “Uma”.",
        "Last name has changed since: it is now “Late”, and was “Example”.",
        "Role has changed since: it is now “Super admin”, and was “User”.",
        "Organization has changed since: it is now “Cedar”, and was “Acme”.",
    ):
        assert sentence in message
    assert "Active" not in message


def test_a_refused_undo_calls_an_empty_value_empty(
    client: PageClient, sign_in: SignIn, uma: Person, ada: Person
) -> None:
    sign_in(ada)
    edit(client, uma, last_name="Late")
    edit(client, uma, last_name="")

    undo(client, uma, 2)

    assert "Last name has changed since: it is now empty, and was “Example”." in note(client, uma)


def test_the_old_button_does_not_undo_a_repeated_deletion(
    client: PageClient, sign_in: SignIn, build: Builder, uma: Person, ada: Person
) -> None:
    sign_in(ada)
    for _ in range(2):
        press(client, f"/users/{uma.id}/delete", f"/users/{uma.id}/delete")
        if build.read(User, uma.id).version == 2:
            undo(client, uma, 2)

    undo(client, uma, 2)

    assert "State has changed since: it is now “deleted”, and was “not deleted”." in note(client, uma)
    assert build.read(User, uma.id).deleted_at is not None


@pytest.mark.parametrize("change", CHANGES_OF_PEOPLE)
def test_clicking_undo_twice_has_no_further_effect(
    client: PageClient, sign_in: SignIn, app: Flask, build: Builder, uma: Person, ada: Person, change: str
) -> None:
    sign_in(ada)
    fields = undo_in(CHANGES_OF_PEOPLE[change](client, uma))
    answers = [client.confirm(client.post(f"/activity/people/{uma.id}/undo", data=fields)) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [303, 303, 303]
    assert "Not undone" not in note(client, uma)
    assert [one.undoes for one in of_row(app, uma.id)] == [None, None, 2]
    row = build.read(User, uma.id)
    assert (row.version, row.first_name, row.deleted_at) == (3, "Uma", None)


def test_clicking_undo_of_a_restore_twice_has_no_further_effect(
    client: PageClient, sign_in: SignIn, app: Flask, build: Builder, gil: Person, ada: Person
) -> None:
    sign_in(ada)
    fields = undo_in(press(client, f"/users/{gil.id}", f"/users/{gil.id}/restore"))

    answers = [client.post(f"/activity/people/{gil.id}/undo", data=fields) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert [one.action for one in of_row(app, gil.id)] == ["create", "restore", "delete"]
    assert "Not undone" not in note(client, gil)


def test_only_one_of_many_concurrent_undos_changes_the_row(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    admins = [build.person(f"admin{n}@example.com", role=Role.ADMIN, tenant=acme) for n in range(4)]
    for number in range(5):
        uma = build.person(f"uma{number}@example.com", tenant=acme)
        with acting(fresh_app, admins[0]):
            users.update(uma.id, 1, {"first_name": "Ulla", "role": Role.ADMIN})

        outcomes = run_concurrently(fresh_app, [partial(users.undo, uma.id, 2)] * 4, *admins)

        assert not [one for one in outcomes if isinstance(one, Exception)]
        assert [one.undoes for one in of_row(fresh_app, uma.id)] == [None, None, 2]
        assert build.read(User, uma.id).version == 3


# Undo under the rules of other changes


def test_ac10_an_undo_cannot_demote_the_last_super_admin(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, uma: Person, root: Person
) -> None:
    sign_in(root)
    edit(client, uma, role="SUPER_ADMIN")
    with acting(client.application):
        users.update(root.id, 1, {"role": Role.ADMIN, "organization_id": acme.id})
        with pytest.raises(Conflict, match="last super administrator"):
            users.undo(uma.id, 2)

    assert build.read(User, uma.id).role is Role.SUPER_ADMIN


@pytest.mark.parametrize("change", ["role", "access", "deletion", "organization"])
def test_ac11_nobody_can_undo_changes_of_their_own_access(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person,
    change: str,
) -> None:  # fmt: skip
    eve = build.person("eve@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    sign_in(root)
    if change == "role":
        edit(client, eve, role="ADMIN")
        edit(client, eve, role="SUPER_ADMIN")
    elif change == "organization":
        edit(client, eve, organization_id="")
    else:
        press_it = CHANGES_OF_PEOPLE["deactivation" if change == "access" else "deletion"]
        undo_from(client, eve, press_it(client, eve), "message", htmx=False)
    sign_in(eve, other_client)
    before = values_of(build, eve)

    undo(other_client, eve, build.read(User, eve.id).version)

    assert "Not undone. You can't" in note(other_client, eve)
    assert values_of(build, eve) == before


def test_an_admin_cannot_undo_a_super_admins_change_of_their_role(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, root: Person
) -> None:
    sign_in(root)
    edit(client, ada, role="USER")
    edit(client, ada, role="ADMIN")
    sign_in(ada, other_client)

    undo(other_client, ada, 3)

    assert "You can't change your own role" in note(other_client, ada)
    assert build.read(User, ada.id).role is Role.ADMIN


@pytest.mark.parametrize("holder", ["own", "foreign"])
def test_undoing_a_change_of_an_address_that_is_taken_now_names_only_people_the_reader_may_see(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, birch: Tenant, ada: Person, holder: str
) -> None:
    sign_in(ada)
    guest = build.person("guest@example.com", tenant=acme, invited_at=now())
    edit(client, guest, email="new@example.com")
    build.person(guest.email, first_name="Zoe", tenant=acme if holder == "own" else birch)

    undo(client, guest, 2)

    message = note(client, guest)
    if holder == "own":
        assert "Not undone. Zoe Example already uses this address." in message
    else:
        assert "Not undone. This address can't be used here. Ask your system administrator." in message
        assert "Zoe" not in message
    assert build.read(User, guest.id).email == "new@example.com"


@pytest.mark.parametrize("holder", ["own", "foreign"])
def test_undoing_a_deletion_fails_if_the_address_is_taken_now(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, birch: Tenant, uma: Person, ada: Person,
    holder: str,
) -> None:  # fmt: skip
    sign_in(ada)
    CHANGES_OF_PEOPLE["deletion"](client, uma)
    build.person(uma.email, first_name="Zoe", tenant=acme if holder == "own" else birch)

    undo(client, uma, 2)

    message = note(client, uma)
    assert ("Zoe Example already uses this address." in message) == (holder == "own")
    assert ("Ask your system administrator" in message) == (holder == "foreign")
    assert build.read(User, uma.id).deleted_at is not None


def test_undoing_a_change_of_a_slug_that_is_taken_now_names_the_organization(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person
) -> None:
    sign_in(root)
    edit(client, acme, slug="acme-old")
    build.tenant("Acme the Second", slug="acme")

    undo(client, acme, 2)

    assert "Not undone. Acme the Second already uses this URL name." in note(client, acme)
    assert build.read(Organization, acme.id).slug == "acme-old"


def test_an_address_that_undo_brings_back_is_verified_only_if_it_was_before(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    sign_in(ada)
    proved = build.person("proved@example.com", tenant=acme, invited_at=now(), email_verified=True)
    unproved = build.person("unproved@example.com", tenant=acme, invited_at=now())
    for person in (proved, unproved):
        edit(client, person, email=f"new-{person.email}")
        with acting(client.application):
            users.update(person.id, 2, {"email_verified": True})
        undo(client, person, 2)

    rows = [build.read(User, person.id) for person in (proved, unproved)]
    assert [(row.email, row.email_verified) for row in rows] == [(proved.email, True), (unproved.email, False)]


@pytest.mark.parametrize("change", ["move", "deletion"])
def test_undo_cannot_return_people_to_a_deleted_organization(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, birch: Tenant, uma: Person, root: Person,
    change: str,
) -> None:  # fmt: skip
    sign_in(root)
    if change == "move":
        edit(client, uma, organization_id="birch")
    else:
        CHANGES_OF_PEOPLE["deletion"](client, uma)
    CHANGES_OF_ORGANIZATIONS["deletion"](client, acme)
    before = values_of(build, uma)

    undo(client, uma, 2)

    assert "Not undone. This organization doesn't exist or was deleted." in note(client, uma)
    assert values_of(build, uma) == before


@pytest.mark.parametrize("kind", ["person", "organization"])
def test_an_edit_of_a_deleted_row_can_be_undone_only_after_it_is_restored(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, uma: Person, root: Person, kind: str
) -> None:
    row: Person | Tenant = uma if kind == "person" else acme
    path = f"/{'users' if kind == 'person' else 'organizations'}/{row.id}"
    sign_in(root)
    edit(client, row, **({"first_name": "Ulla"} if kind == "person" else {"name": "Other"}))
    press(client, f"{path}/delete", f"{path}/delete")
    before = values_of(build, row)

    undo(client, row, 2)

    message = note(client, row)
    assert "is deleted. Restore" in message
    assert values_of(build, row) == before


def test_ac7_an_admin_cannot_grant_super_admin_by_undo(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person,
    root: Person,
) -> None:  # fmt: skip
    eve = build.person("eve@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    sign_in(root)
    edit(client, eve, role="ADMIN")
    sign_in(ada, other_client)

    answer = undo(other_client, eve, 2)

    assert answer.status_code in (403, 404)
    assert build.read(User, eve.id).role is Role.ADMIN
    assert "2" not in versions_in(other_client.get(f"/users/{eve.id}").text)


@pytest.mark.parametrize("layers", ["both", "scoping_alone"])
def test_an_admin_cannot_undo_the_deletion_or_restore_of_an_organization_or_its_slug(
    request: pytest.FixtureRequest, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder,
    acme: Tenant, birch: Tenant,
    ada: Person, root: Person, layers: str,
) -> None:  # fmt: skip
    if layers != "both":
        request.getfixturevalue(layers)
    sign_in(root)
    CHANGES_OF_ORGANIZATIONS["deletion"](client, birch)
    press(client, f"/organizations/{acme.id}/delete", f"/organizations/{acme.id}/delete")
    press(client, f"/organizations/{acme.id}", f"/organizations/{acme.id}/restore")
    edit(client, acme, slug="acme-new")
    sign_in(ada, other_client)
    token = other_client.form(f"/organizations/{acme.id}/edit")["csrf_token"]

    statuses = [
        other_client.post(
            f"/activity/organizations/{tenant.id}/undo", data={"csrf_token": token, "version": version}
        ).status_code
        for tenant, version in ((birch, "2"), (acme, "2"), (acme, "3"), (acme, "4"))
    ]

    assert statuses[0] == 404
    assert statuses[2:] == [403, 403]
    assert versions_in(other_client.get(f"/organizations/{acme.id}").text) == []
    organization = build.read(Organization, acme.id)
    assert (organization.slug, organization.deleted_at) == ("acme-new", None)


def test_au13_a_password_change_cannot_be_undone(
    client: PageClient, sign_in: SignIn, app: Flask, build: Builder, uma: Person, ada: Person
) -> None:
    sign_in(ada)
    client.send(f"/users/{uma.id}/password")
    page = client.get(f"/users/{uma.id}").text

    answer = undo(client, uma, 2)

    assert of_row(app, uma.id)[-1].changes == {"password": [], "must_change_password": [False, True]}
    assert answer.status_code == 404
    assert "2" not in versions_in(page)
    assert "reset the password" in page


def test_ac2_changes_of_another_tenant_cannot_be_undone(
    client: PageClient, sign_in: SignIn, build: Builder, birch: Tenant, bea: Person, ada: Person
) -> None:
    with acting(client.application):
        users.update(bea.id, 1, {"first_name": "Bella"})
    sign_in(ada)
    token = client.form("/account/")["csrf_token"]

    for path in (f"/activity/people/{bea.id}/undo", f"/activity/organizations/{birch.id}/undo"):
        for headers in ({}, HTMX):
            answer = client.post(path, data={"csrf_token": token, "version": "2"}, headers=headers)
            assert answer.status_code == 404
    assert build.read(User, bea.id).first_name == "Bella"


@pytest.mark.parametrize("kind", ["person", "organization"])
def test_in3_a_forged_version_is_not_found(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, uma: Person, root: Person, kind: str
) -> None:
    row: Person | Tenant = uma if kind == "person" else acme
    sign_in(root)
    edit(client, row, **({"first_name": "Ulla"} if kind == "person" else {"name": "Other"}))
    before = values_of(build, row)

    for version in FORGED:
        assert undo(client, row, version).status_code == 404, version
    token = client.form("/account/")["csrf_token"]
    path = f"/activity/{'people' if kind == 'person' else 'organizations'}/{row.id}/undo"
    assert client.post(path, data={"csrf_token": token}).status_code == 404
    assert values_of(build, row) == before


def test_a_change_of_a_dropped_column_cannot_be_undone(
    client: PageClient, sign_in: SignIn, uma: Person, ada: Person
) -> None:
    values = {"action": "update", "table_name": "users", "row_id": uma.id, "row_version": 7}
    with acting(client.application):
        command(db.session.execute)(
            insert(Activity).values(**values, organization_id=uma.organization_id, changes={"shoe_size": [41, 42]})
        )
    sign_in(ada)

    answer = undo(client, uma, 7)

    assert answer.status_code == 404
    assert client.get(f"/activity/people/{uma.id}").status_code == 200


def test_se3_undoing_a_deletion_does_not_revive_sessions(
    client: PageClient, other_client: PageClient, sign_in: SignIn, uma: Person, ada: Person
) -> None:
    sign_in(uma, other_client)
    sign_in(ada)

    undo_from(client, uma, CHANGES_OF_PEOPLE["deletion"](client, uma), "message", htmx=False)

    assert other_client.get("/account/").headers["Location"].startswith("/login")
    sign_in(uma, other_client)


def test_rt6_an_undo_that_deactivates_or_deletes_people_ends_their_sessions(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, gil: Person,
    ada: Person,
) -> None:  # fmt: skip
    off = build.person("off@example.com", tenant=acme, is_active=False)
    sign_in(ada)
    pages = {
        gil: press(client, f"/users/{gil.id}", f"/users/{gil.id}/restore"),
        off: CHANGES_OF_PEOPLE["deactivation"](client, off),
    }
    for person, page in pages.items():
        sign_in(person, other_client)
        undo_from(client, person, page, "message", htmx=False)

        assert other_client.get("/account/").headers["Location"].startswith("/login")
        other_client.delete_cookie("portal")
        other_client.delete_cookie("session")


# Statements of the list


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """Collect the statements that are sent in the block."""
    sent: list[str] = []

    def note_it(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", note_it)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note_it)


@pytest.mark.parametrize(("who", "most"), [("ada", 3), ("root", 4)])
def test_the_list_takes_a_constant_number_of_statements(fresh_app: Flask, who: str, most: int) -> None:
    build = Builder(fresh_app)
    acme, birch = build.tenant("Acme"), build.tenant("Birch")
    person = {
        "ada": lambda: build.person("ada@example.com", role=Role.ADMIN, tenant=acme),
        "root": lambda: build.person("root@example.com", role=Role.SUPER_ADMIN),
    }[who]()
    for number in range(30):
        build.person(f"p{number}@example.com", tenant=acme)
    client = page_client(fresh_app, person)
    for query in ("", "per_page=100", "action=create&from=2020-01-01", "field=role"):
        with counted(fresh_app) as sent:
            assert client.get(f"/activity/?{query}").status_code == 200
        assert len(sent) <= most, sent

    with acting(fresh_app):
        moved = build.person("moved@example.com", tenant=birch)
        users.update(moved.id, 1, {"organization_id": acme.id})
    with counted(fresh_app) as sent:
        client.get("/activity/")
    assert len(sent) <= most + 2, sent  # the current row, and the names of its organizations


@pytest.mark.parametrize("who", ["ada", "root"])
def test_the_dashboard_reads_the_latest_changes_with_one_statement(
    app: Flask, client: PageClient, sign_in: SignIn, acme: Tenant, birch: Tenant, uma: Person, ada: Person,
    root: Person, who: str,
) -> None:  # fmt: skip
    with acting(app):
        users.update(uma.id, 1, {"organization_id": birch.id})
        users.update(uma.id, 2, {"organization_id": acme.id})
    sign_in({"ada": ada, "root": root}[who])

    with counted(app) as sent:
        assert "changed the organization of" in client.get("/").text

    assert len([one for one in sent if "operations.names" in one]) == 1
    assert not [one for one in sent if "FROM activity" in one]


def test_the_activity_of_one_organization_is_its_part_of_each_operation(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, acme: Tenant, birch: Tenant,
    ada: Person, bea: Person, root: Person,
) -> None:  # fmt: skip
    with acting(app):
        users.update(ada.id, 1, {"last_name": "Changed"})
        users.update(bea.id, 1, {"last_name": "Altered"})
    sign_in(root)
    sign_in(ada, other_client)

    for value in (acme.id, "acme", "Acme"):
        page = client.get(f"/activity/?organization={value}&action=update").text
        assert ("Ada Changed" in page, "Bea Altered" in page, "Organization: Acme" in page) == (True, False, True)
    assert "Bea Altered" in client.get("/activity/?organization=Nobody&action=update").text
    own = other_client.get(f"/activity/?organization={birch.id}&action=update").text
    assert ("Ada Changed" in own, "Bea Altered" in own) == (True, False)
    assert 'name="organization"' not in own


def test_activity_can_be_listed_by_person_team_and_period(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, uma: Person, bea: Person
) -> None:
    with acting(app, ada):
        team = teams.create({"name": "Drivers"}, row_id=uuid.uuid4())
        users.update(uma.id, 1, {"last_name": "Changed"})
    sign_in(ada)

    page = client.get("/activity/").text
    periods = r'<a href="(/activity/[^"]*)"(?: aria-current="true")?>(Any time|Today|Yesterday)</a>'
    links = re.findall(periods, page)
    shown = {label: "Uma Changed" in client.get(url.replace("&amp;", "&")).text for url, label in links}

    assert shown == {"Any time": True, "Today": True, "Yesterday": False}
    assert dict(links).keys() == {f"/activity/{rest}" for rest in ("", "?period=today", "?period=yesterday")}
    for period in ("week", "month"):
        assert "Uma Changed" in client.get(f"/activity/?period={period}").text
    assert "has no such option" in client.get("/activity/?period=century").text
    assert 'aria-current="true">' not in client.get("/activity/?from=2020-01-01").text.split('id="activity-table"')[1]
    assert "Uma Changed" in client.get("/activity/?by=ada@example.com").text
    assert "No person has this name" in client.get(f"/activity/?by={bea.email}").text
    about = client.get(f"/activity/?team={team}").text
    assert ("Drivers" in about, "Uma Changed" in about) == (True, False)
    assert "Uma Changed" not in client.get("/activity/?team=Drivers").text
