"""Changes that give a person power over others are only made after a confirmation that explains them."""

from __future__ import annotations

import hashlib
import html
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from portal.core.actor import SYSTEM, Role
from portal.core.db import acting_as, db
from portal.organizations.models import Organization
from portal.users.commands import users
from portal.users.models import User
from portal.web.given import current_settings
from tests.acting import acting, age_authentication
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.pages import PageClient, fields_of

CHECK = "Check what this changes, then confirm below"


def confirmed(client: PageClient, path: str, values: dict[str, Any]) -> str:
    """Submit the form, then the confirmation, and return the page that question for it."""
    question = client.send(path, values)
    assert question.status_code == 200
    assert CHECK in question.text
    answer = client.post(path, data=fields_of(question.text, path))
    assert answer.status_code == 303, answer.text
    return question.text


def test_moving_a_person_explains_the_consequences_first(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, ada: Person, birch: Tenant
) -> None:
    sign_in(root)
    path = f"/users/{ada.id}/edit"

    question = client.send(path, {"organization_id": birch.slug})

    assert build.read(User, ada.id).organization_id == ada.organization_id
    for sentence in (
        f"{ada.name} moves from Acme to Birch.",
        f"Administrators of Birch can manage {ada.name}.",
        f"Administrators of Acme no longer see {ada.name}.",
        "last active administrator",
    ):
        assert sentence in question.text
    assert "Confirm and save changes" in question.text
    assert client.post(path, data=fields_of(question.text, path)).status_code == 303
    assert build.read(User, ada.id).organization_id == birch.id


@pytest.mark.parametrize("tenant", ["acme", ""])
def test_promoting_a_super_admin_explains_the_consequences_first(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person, tenant: str
) -> None:
    uma = build.person("uma@example.com", tenant=acme if tenant else None)
    sign_in(root)

    shown = confirmed(client, f"/users/{uma.id}/edit", {"role": "SUPER_ADMIN"})

    assert f"{uma.name} becomes a super admin, with full access to every organization" in shown
    assert ("hidden from the administrators of Acme" in shown) is bool(tenant)
    assert build.read(User, uma.id).role is Role.SUPER_ADMIN


def test_creating_a_super_admin_needs_confirmation_but_creating_others_does_not(
    app: Any, client: PageClient, sign_in: SignIn, root: Person
) -> None:
    sign_in(root)

    assert client.send("/users/new", {"email": "one@example.com", "role": "USER"}).status_code == 303
    shown = confirmed(client, "/users/new", {"email": "two@example.com", "role": "SUPER_ADMIN"})

    assert "two@example.com becomes a super admin" in shown
    assert "Confirm and create person" in shown
    with app.app_context(), acting_as(SYSTEM):
        assert len(db.session.scalars(select(User).where(User.email == "two@example.com")).all()) == 1


def test_a_confirmation_of_another_change_does_not_count(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, uma: Person, birch: Tenant
) -> None:
    sign_in(root)
    path = f"/users/{uma.id}/edit"
    question = fields_of(client.send(path, {"organization_id": birch.slug}).text, path)

    again = client.post(path, data={**question, "role": "SUPER_ADMIN"})
    forged = client.send(path, {"role": "SUPER_ADMIN", "confirmed": "yes"})

    assert again.status_code == forged.status_code == 200
    assert CHECK in again.text
    assert CHECK in forged.text
    row = build.read(User, uma.id)
    assert (row.role, row.organization_id) == (Role.USER, uma.organization_id)


def test_other_changes_need_no_confirmation(
    client: PageClient,
    other_client: PageClient,
    sign_in: SignIn,
    build: Builder,
    root: Person,
    ada: Person,
    uma: Person,
) -> None:
    sign_in(root)
    assert client.send(f"/users/{uma.id}/edit", {"first_name": "Una", "is_active": "false"}).status_code == 303
    assert client.send(f"/users/{uma.id}/edit", {"is_active": "true"}).status_code == 303
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN)
    assert client.send(f"/users/{chief.id}/edit", {"last_name": "Else"}).status_code == 303
    assert client.send(f"/users/{chief.id}/edit", {"is_active": "false"}).status_code == 303

    sign_in(ada, other_client)
    forged = {"first_name": "Uma", "organization_id": str(uuid.uuid4()), "confirmed": "yes"}
    assert other_client.send(f"/users/{uma.id}/edit", forged).status_code == 303
    assert build.read(User, uma.id).organization_id == ada.organization_id


@pytest.mark.parametrize("change", ["demoted", "moved"])
def test_undoing_needs_the_same_confirmation(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, birch: Tenant, change: str
) -> None:
    role = Role.SUPER_ADMIN if change == "demoted" else Role.USER
    person = build.person("kim@example.com", role=role, tenant=acme)
    sign_in(root)
    path, undo = f"/users/{person.id}/edit", f"/activity/people/{person.id}/undo"
    confirmed(client, path, {"role": "USER"} if change == "demoted" else {"organization_id": birch.slug})
    before = build.read(User, person.id)

    token = client.form("/account/")["csrf_token"]
    shown = client.post(undo, data={"csrf_token": token, "version": str(before.version)})

    assert shown.status_code == 200
    expected = "becomes a super admin" if change == "demoted" else "moves from Birch to Acme"
    assert expected in shown.text
    now = build.read(User, person.id)
    assert (now.role, now.organization_id) == (before.role, before.organization_id)
    assert client.post(undo, data=fields_of(shown.text, undo)).status_code == 303
    now = build.read(User, person.id)
    assert (now.role, now.organization_id) == (role, acme.id)


@pytest.mark.parametrize("by", ["root", "ada"])
def test_a_new_role_within_an_organization_is_explained(
    request: pytest.FixtureRequest, client: PageClient, sign_in: SignIn, build: Builder, uma: Person, by: str
) -> None:
    sign_in(request.getfixturevalue(by))
    path = f"/users/{uma.id}/edit"

    raised = confirmed(client, path, {"role": "ADMIN"})
    assert build.read(User, uma.id).role is Role.ADMIN
    lowered = confirmed(client, path, {"role": "USER"})

    assert f"{uma.name} becomes an administrator of Acme, and can manage its people and its name." in raised
    assert f"Apps that are signed in as {uma.name} are signed out." in raised
    assert f"{uma.name} is no longer an administrator, and can only use their own account." in lowered
    assert ("last active administrator" in lowered) is (by == "root")
    assert build.read(User, uma.id).role is Role.USER
    undo = f"/activity/people/{uma.id}/undo"
    token = client.form("/account/")["csrf_token"]
    shown = client.post(undo, data={"csrf_token": token, "version": build.read(User, uma.id).version})
    assert "becomes an administrator of Acme" in shown.text
    assert client.post(undo, data=fields_of(shown.text, undo)).status_code == 303
    assert build.read(User, uma.id).role is Role.ADMIN


def test_demoting_a_super_admin_explains_what_they_lose(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person
) -> None:
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    alone = build.person("alone@example.com")
    sign_in(root)

    lowered = confirmed(client, f"/users/{chief.id}/edit", {"role": "ADMIN"})
    without = confirmed(client, f"/users/{alone.id}/edit", {"role": "ADMIN"})

    assert f"{chief.name} is no longer a super admin" in lowered
    assert f"{chief.name} becomes an administrator of Acme" in lowered
    assert "belongs to no organization, so there is nobody to manage" in without


def test_changing_ones_own_role_is_refused_without_a_confirmation(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)
    answer = client.send(f"/users/{ada.id}/edit", {"role": "USER"})

    assert answer.status_code == 422
    assert CHECK not in answer.text


SIGNS_IN_AGAIN = {
    Role.SUPER_ADMIN: "can sign in again as a super admin, with full access to every organization",
    Role.ADMIN: "can sign in again as an administrator of Acme",
}


def end_access(build: Builder, root: Person, person: Person, how: str) -> None:
    with acting(build.app, root):
        if how == "restore":
            users.delete(person.id)
        else:
            users.set_active(person.id, is_active=False)


def has_access(build: Builder, person: Person) -> bool:
    user = build.read(User, person.id)
    return user.is_active and user.deleted_at is None


@pytest.mark.parametrize("how", ["restore", "activate", "edit", "undo deleting", "undo deactivating"])
@pytest.mark.parametrize("role", [Role.SUPER_ADMIN, Role.ADMIN, Role.USER])
def test_restoring_access_of_administrators_needs_confirmation_and_the_password(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, how: str, role: Role
) -> None:
    person = build.person("kim@example.com", role=role, tenant=acme)
    end_access(build, root, person, "restore" if how in ("restore", "undo deleting") else "deactivate")
    sign_in(root)
    with acting(build.app):
        age_authentication(root)
    path, values = {
        "restore": (f"/users/{person.id}/restore", {}),
        "activate": (f"/users/{person.id}/deactivation", {"is_active": "y"}),
        "edit": (f"/users/{person.id}/edit", {**client.form(f"/users/{person.id}/edit"), "is_active": "true"})
        if how == "edit"
        else ("", {}),
    }.get(how, (f"/activity/people/{person.id}/undo", {"version": str(build.read(User, person.id).version)}))

    question = client.post(path, data={**values, "csrf_token": client.form("/account/")["csrf_token"]})

    if role is Role.USER:
        assert question.status_code == 303
        assert has_access(build, person)
        return
    assert SIGNS_IN_AGAIN[role] in question.text
    assert not has_access(build, person)
    password_question = question if how == "edit" else client.post(path, data=fields_of(question.text, path))
    assert "own_password" in fields_of(password_question.text, path)
    assert not has_access(build, person)
    assert (
        client.post(path, data={**fields_of(password_question.text, path), "own_password": "wrong"}).status_code == 422
    )
    assert not has_access(build, person)
    assert (
        client.post(path, data={**fields_of(password_question.text, path), "own_password": PASSWORD}).status_code == 303
    )
    assert has_access(build, person)


@pytest.mark.parametrize("how", ["restore", "undo"])
def test_restoring_an_organization_needs_confirmation_if_a_super_admin_regains_access(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, ada: Person, how: str
) -> None:
    kim = build.person("kim@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    sign_in(root)
    client.send(f"/organizations/{acme.id}/delete")
    version = build.read(Organization, acme.id).version
    path = f"/organizations/{acme.id}/restore" if how == "restore" else f"/activity/organizations/{acme.id}/undo"

    token = client.form("/account/")["csrf_token"]
    question = client.post(path, data={"csrf_token": token, "version": version})

    assert f"{kim.name} {SIGNS_IN_AGAIN[Role.SUPER_ADMIN]}" in question.text
    assert ada.name not in question.text
    assert build.read(Organization, acme.id).deleted_at is not None
    assert client.post(path, data=fields_of(question.text, path)).status_code == 303
    assert build.read(Organization, acme.id).deleted_at is None


def test_a_confirmation_is_valid_for_one_actor_one_person_and_one_change(
    client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, root: Person, uma: Person
) -> None:
    other = build.person("other@example.com", role=Role.SUPER_ADMIN)
    twin = build.person("twin@example.com", tenant=None, first_name="Uma", last_name="Same")
    same = build.person("same@example.com", tenant=None, first_name="Uma", last_name="Same")
    sign_in(root)
    sign_in(other, other_client)
    path, grant = f"/users/{twin.id}/edit", {"role": "SUPER_ADMIN"}
    question = fields_of(client.send(path, grant).text, path)
    shown = html.unescape("\n".join(re.findall(r"<li>(.+?)</li>", client.send(path, grant).text)))
    forged = hashlib.sha256(shown.encode()).hexdigest()

    for visitor, at, digest in (
        (other_client, path, question["confirmed"]),
        (client, f"/users/{same.id}/edit", question["confirmed"]),
        (client, path, forged),
        (client, path, question["confirmed"][:-1]),
        (client, path, "é"),
    ):
        assert visitor.send(at, {**grant, "confirmed": digest}).status_code == 200
    assert {build.read(User, one.id).role for one in (twin, same)} == {Role.USER}
    assert client.post(path, data=question).status_code == 303


def test_a_confirmation_stays_valid_while_the_secret_key_is_rotated(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, uma: Person, change_settings: Callable[..., None]
) -> None:
    sign_in(root)
    path = f"/users/{uma.id}/edit"
    question = fields_of(client.send(path, {"role": "ADMIN"}).text, path)
    change_settings(secret_key="n" * 40, secret_key_fallbacks=(current_settings.of(build.app).secret_key,))  # noqa: S106

    assert client.post(path, data=question).status_code == 303
    assert build.read(User, uma.id).role is Role.ADMIN
