"""Is nobody moved to another organization, or given every right, before it was said what that means?"""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import select

from portal.core.actor import SYSTEM, Role
from portal.core.db import acting_as, db
from portal.users.models import User
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient, fields_of

CHECK = "Check what this changes, then confirm below"


def confirmed(client: PageClient, path: str, values: dict[str, Any]) -> str:
    """Send the form, read what it means, and send it again as it was shown; returns what was shown."""
    asked = client.send(path, values)
    assert asked.status_code == 200
    assert CHECK in asked.text
    answer = client.post(path, data=fields_of(asked.text, path))
    assert answer.status_code == 303, answer.text
    return asked.text


def test_moving_a_person_says_what_it_changes_before_it_is_done(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, ada: Person, birch: Tenant
) -> None:
    sign_in(root)
    path = f"/users/{ada.id}/edit"

    asked = client.send(path, {"organization_id": birch.slug})

    assert build.read(User, ada.id).organization_id == ada.organization_id
    for sentence in (
        f"{ada.name} moves from Acme to Birch.",
        f"Administrators of Birch can manage {ada.name}.",
        f"Administrators of Acme no longer see {ada.name}.",
        "last active administrator",
    ):
        assert sentence in asked.text
    assert "Confirm and save changes" in asked.text
    assert client.post(path, data=fields_of(asked.text, path)).status_code == 303
    assert build.read(User, ada.id).organization_id == birch.id


@pytest.mark.parametrize("home", ["acme", ""])
def test_granting_every_right_says_so_before_it_is_done(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person, home: str
) -> None:
    uma = build.person("uma@example.com", tenant=acme if home else None)
    sign_in(root)

    shown = confirmed(client, f"/users/{uma.id}/edit", {"role": "SUPER_ADMIN"})

    assert f"{uma.name} becomes a super admin, with full access to every organization" in shown
    assert ("hidden from the administrators of Acme" in shown) is bool(home)
    assert build.read(User, uma.id).role is Role.SUPER_ADMIN


def test_a_new_super_admin_is_confirmed_and_other_new_people_are_not(
    app: Any, client: PageClient, sign_in: SignIn, root: Person
) -> None:
    sign_in(root)

    assert client.send("/users/new", {"email": "one@example.com", "role": "USER"}).status_code == 303
    shown = confirmed(client, "/users/new", {"email": "two@example.com", "role": "SUPER_ADMIN"})

    assert "two@example.com becomes a super admin" in shown
    assert "Confirm and create person" in shown
    with app.app_context(), acting_as(SYSTEM):
        assert len(db.session.scalars(select(User).where(User.email == "two@example.com")).all()) == 1


def test_an_answer_to_another_question_confirms_nothing(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, uma: Person, birch: Tenant
) -> None:
    sign_in(root)
    path = f"/users/{uma.id}/edit"
    asked = fields_of(client.send(path, {"organization_id": birch.slug}).text, path)

    again = client.post(path, data={**asked, "role": "SUPER_ADMIN"})
    forged = client.send(path, {"role": "SUPER_ADMIN", "confirmed": "yes"})

    assert again.status_code == forged.status_code == 200
    assert CHECK in again.text
    assert CHECK in forged.text
    row = build.read(User, uma.id)
    assert (row.role, row.organization_id) == (Role.USER, uma.organization_id)


def test_other_changes_ask_nothing(
    client: PageClient,
    other_client: PageClient,
    sign_in: SignIn,
    build: Builder,
    root: Person,
    ada: Person,
    uma: Person,
) -> None:
    sign_in(root)
    assert client.send(f"/users/{uma.id}/edit", {"first_name": "Una", "role": "ADMIN"}).status_code == 303
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN)
    assert client.send(f"/users/{chief.id}/edit", {"last_name": "Else"}).status_code == 303
    assert client.send(f"/users/{chief.id}/edit", {"role": "USER"}).status_code == 303

    sign_in(ada, other_client)
    forged = {"role": "ADMIN", "organization_id": str(uuid.uuid4()), "confirmed": "yes"}
    assert other_client.send(f"/users/{uma.id}/edit", forged).status_code == 303
    assert build.read(User, uma.id).organization_id == ada.organization_id


@pytest.mark.parametrize("change", ["demoted", "moved"])
def test_undoing_asks_for_the_same_confirmation(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, acme: Tenant, birch: Tenant, change: str
) -> None:
    role = Role.SUPER_ADMIN if change == "demoted" else Role.USER
    person = build.person("kim@example.com", role=role, tenant=acme)
    sign_in(root)
    path, undo = f"/users/{person.id}/edit", f"/activity/people/{person.id}/undo"
    asked = client.send(path, {"role": "USER"} if change == "demoted" else {"organization_id": birch.slug})
    if change == "moved":
        assert client.post(path, data=fields_of(asked.text, path)).status_code == 303
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
