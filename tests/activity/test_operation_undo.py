"""Undoing everything that one operation changed."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.history import Activity
from portal.core.operations import Operation
from portal.teams.models import Team, TeamMember
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.pages import PageClient, text_of
from tests.selecting import act, add, agree, set_values

UNDO = re.compile(r'action="(/activity/[0-9a-f-]+/undo)"')


@pytest.fixture
def crew(build: Builder, acme: Tenant) -> list[uuid.UUID]:
    return [build.person(f"crew{place}@example.com", tenant=acme).id for place in range(3)]


def undo(client: PageClient, url: str) -> str:
    """Press Undo and agree. Returns the page that follows."""
    done = agree(client, ask_to_undo(client, url))
    assert done.status_code == 303, text_of(done.text)
    return text_of(client.get(done.headers["Location"]).text)


def ask_to_undo(client: PageClient, url: str) -> Any:
    return client.post(url, data={"csrf_token": client.form("/account/")["csrf_token"]})


def offered_in(page: str) -> str:
    found = UNDO.search(page)
    assert found, page[-2000:]
    return found[1]


def values(build: Builder, ids: list[uuid.UUID], name: str) -> list[Any]:
    return [getattr(build.read(User, key), name) for key in ids]


@pytest.mark.parametrize(
    ("action", "name", "before"),
    [("deactivate", "is_active", True), ("delete", "deleted_at", None), ("role-admin", "role", Role.USER)],
)
def test_one_undo_takes_back_a_change_of_many_rows(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, crew: list[uuid.UUID],
    action: str, name: str, before: Any,
) -> None:  # fmt: skip
    sign_in(ada)
    url = offered_in(act(client, "/users/", action, crew))
    assert values(build, crew, name) != [before] * 3

    assert "Change of 3 people undone." in undo(client, url)

    assert values(build, crew, name) == [before] * 3
    with acting(app):
        undoing = select(Operation).where(
            Operation.undoes == uuid.UUID(url.split("/")[2]), Operation.organization_id.is_(None)
        )
        assert db.session.scalars(undoing).one().events == 3


def test_an_undo_can_be_undone(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, crew: list[uuid.UUID]
) -> None:
    sign_in(ada)
    url = offered_in(act(client, "/users/", "deactivate", crew))
    agree(client, ask_to_undo(client, url))
    again = offered_in(client.get("/users/").text)

    undo(client, again)

    assert values(build, crew, "is_active") == [False] * 3


def test_an_undo_restores_each_row_to_its_own_former_value(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, birch: Tenant, root: Person
) -> None:
    people = [
        build.person("one@example.com", tenant=acme).id,
        build.person("two@example.com", tenant=birch, role=Role.ADMIN).id,
    ]
    cedar = build.tenant("Cedar")
    sign_in(root)
    moved = offered_in(act(client, "/users/", "move", people, entry=cedar.slug))
    promoted = offered_in(act(client, "/users/", "role-super-admin", people))

    undo(client, promoted)
    undo(client, moved)

    assert values(build, people, "role") == [Role.USER, Role.ADMIN]
    assert values(build, people, "organization_id") == [acme.id, birch.id]


def test_an_undo_that_meets_later_changes_undoes_the_rest_and_lists_them(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, root: Person, crew: list[uuid.UUID]
) -> None:
    sign_in(ada)
    other = page_client(app, root)
    url = offered_in(act(client, "/users/", "role-admin", crew))
    act(other, "/users/", "role-super-admin", crew[:1])  # hidden from Ada now
    act(other, "/users/", "role-user", crew[1:2])

    asked = text_of(ask_to_undo(client, url).text)
    assert "Undo this change of Crew2 Example?" in asked
    assert "Already as before Crew1 Example" in asked
    assert "Deleted in the meantime, or not visible to you 1" in asked
    assert "Crew0" not in asked
    by_root = text_of(ask_to_undo(other, url).text)
    assert "Changed again since Crew0 Example" in by_root
    undo(client, url)

    assert values(build, crew, "role") == [Role.SUPER_ADMIN, Role.USER, Role.USER]


def test_later_changes_of_other_fields_do_not_prevent_an_undo(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, crew: list[uuid.UUID]
) -> None:
    sign_in(ada)
    url = offered_in(act(client, "/users/", "deactivate", crew))
    with acting(app):
        set_values(crew[0], first_name="New")

    undo(client, url)

    assert values(build, crew, "is_active") == [True] * 3
    assert build.read(User, crew[0]).first_name == "New"


@pytest.mark.parametrize("action", ["add", "remove"])
def test_links_are_undone_too(
    app: Flask, client: PageClient, sign_in: SignIn, acme: Tenant, ada: Person, crew: list[uuid.UUID], action: str
) -> None:
    team = Team(id=uuid.uuid4(), name="Drivers", organization_id=acme.id)
    with acting(app):
        add(team)
        if action == "remove":
            add(*(TeamMember(team_id=team.id, user_id=key, organization_id=acme.id) for key in crew))
    sign_in(ada)
    before = members(app, team.id)
    url = offered_in(act(client, "/users/", f"{action}-team_members", crew, entry="Drivers"))
    assert members(app, team.id) != before

    undo(client, url)

    assert members(app, team.id) == before


def members(app: Flask, team_id: uuid.UUID) -> set[uuid.UUID]:
    with acting(app):
        return set(db.session.scalars(select(TeamMember.user_id).where(TeamMember.team_id == team_id)))


def test_an_admin_cannot_undo_what_the_role_does_not_allow(
    app: Flask,
    client: PageClient,
    sign_in: SignIn,
    build: Builder,
    ada: Person,
    birch: Tenant,
    acme: Tenant,
    root: Person,
) -> None:
    moved = [build.person(f"moved{place}@example.com", tenant=birch).id for place in range(2)]
    other = page_client(app, root)
    url = offered_in(act(other, "/users/", "move", moved, entry=acme.slug))
    sign_in(ada)

    asked = text_of(ask_to_undo(client, url).text)

    assert "Nothing to change" in asked
    assert "You aren't allowed to undo this Moved0 Example, Moved1 Example" in asked
    assert values(build, moved, "organization_id") == [acme.id] * 2


def test_the_page_of_an_operation_offers_to_undo_all_of_it(
    client: PageClient, sign_in: SignIn, ada: Person, crew: list[uuid.UUID]
) -> None:
    sign_in(ada)
    url = offered_in(act(client, "/users/", "deactivate", crew))

    page = client.get(url.removesuffix("/undo")).text

    assert offered_in(page) == url
    assert "Undo all" in text_of(page)


def test_an_operation_of_another_tenant_cannot_be_undone(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, bea: Person, crew: list[uuid.UUID]
) -> None:
    url = offered_in(act(page_client(app, ada), "/users/", "deactivate", crew))
    sign_in(bea)

    assert ask_to_undo(client, url).status_code == 404
    assert values(build, crew, "is_active") == [False] * 3


def test_passwords_and_addresses_are_undone_in_their_own_history_only(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person, crew: list[uuid.UUID]
) -> None:
    with acting(app):
        set_values(crew[0], email="other@example.com", first_name="Other")
        made = select(Activity.operation_id).where(Activity.row_id == crew[0], Activity.action == "update")
        operation = db.session.scalars(made).one()
    sign_in(root)

    assert "Can only be undone in their own history Other Example" in text_of(
        ask_to_undo(client, f"/activity/{operation}/undo").text
    )


def test_restored_people_are_deleted_again_by_an_undo(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    people = [build.person(f"gone{place}@example.com", tenant=acme, deleted_at=now()).id for place in range(2)]
    before = values(build, people, "deleted_at")
    sign_in(ada)
    url = offered_in(act(client, "/users/?status=deleted", "restore", people))

    undo(client, url)

    assert values(build, people, "deleted_at") == before
