"""Rules for changing many people at once: the same as for one."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import NotAllowed
from portal.core.history import Activity
from portal.organizations.models import Organization
from portal.teams.models import Team, TeamMember
from portal.tokens.commands import Lifetime, add_session
from portal.tokens.models import ApiToken, Session
from portal.users.bulk import SettingPeople
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting, run_concurrently
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.mailbox import jobs
from tests.pages import PageClient, text_of
from tests.selecting import act, add, agree, choose, set_values


@pytest.fixture
def crew(build: Builder, acme: Tenant) -> list[uuid.UUID]:
    return [build.person(f"crew{place}@example.com", tenant=acme).id for place in range(3)]


def values(build: Builder, ids: list[uuid.UUID], name: str) -> list[Any]:
    return [getattr(build.read(User, key), name) for key in ids]


def kinds(app: Flask) -> list[tuple[str, str]]:
    return sorted((kind, str(key)) for kind, key in jobs(app))


def ended(app: Flask, user_id: uuid.UUID) -> bool:
    with acting(app):
        live = select(func.count()).where(Session.user_id == user_id, Session.ended_at.is_(None))
        return db.session.scalar(live) == 0


def test_two_layers_keep_a_bulk_change_inside_the_tenant(
    app: Flask, build: Builder, ada: Person, bea: Person, root: Person, scoping_alone: None
) -> None:
    with acting(app, ada):
        assert SettingPeople(users, {"is_active": False}).judged([bea.id, root.id]).missing == 2
        SettingPeople(users, {"is_active": False}).apply([bea.id, root.id])
        db.session.commit()

    assert values(build, [bea.id, root.id], "is_active") == [True, True]


def test_row_level_security_alone_keeps_a_bulk_change_inside_the_tenant(
    app: Flask, build: Builder, ada: Person, bea: Person, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.core.scoping._own_tenant", lambda *_: [])
    with acting(app, ada):
        assert SettingPeople(users, {"is_active": False}).judged([bea.id, root.id]).missing == 2
        SettingPeople(users, {"is_active": False}).apply([bea.id, root.id])
        db.session.commit()

    assert values(build, [bea.id, root.id], "is_active") == [True, True]


def test_an_admin_can_neither_move_people_nor_grant_a_higher_role(
    app: Flask, ada: Person, uma: Person, birch: Tenant
) -> None:
    with acting(app, ada):
        with pytest.raises(NotAllowed):
            SettingPeople(users, {"organization_id": birch.id}).judged([uma.id])
        assert not SettingPeople(users, {"role": Role.SUPER_ADMIN}).judged([uma.id]).changed


def test_the_last_super_admins_stay(app: Flask, build: Builder, root: Person, uma: Person) -> None:
    other = build.person("other@example.com", role=Role.SUPER_ADMIN)
    for changes in ({"is_active": False}, {"role": Role.ADMIN}, {"deleted_at": now()}):
        with acting(app):  # as the system, because a super admin's own account stays anyway
            both = SettingPeople(users, changes).judged([root.id, other.id, uma.id])
            one = SettingPeople(users, changes).judged([other.id, uma.id])
        assert set(both.refused["The last super admins who can sign in"]) == {root.id, other.id}
        assert set(one.changed) == {other.id, uma.id}


def test_two_super_admins_cannot_remove_each_other_at_once(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    both = [build.person(f"root{place}@example.com", role=Role.SUPER_ADMIN) for place in range(2)]
    clients = [page_client(fresh_app, one) for one in both]
    asked = [choose(client, "/users/", "delete", [other.id]) for client, other in zip(clients, both[::-1], strict=True)]

    run_concurrently(fresh_app, [partial(agree, *pair) for pair in zip(clients, asked, strict=True)])

    assert sum(one is None for one in values(build, [one.id for one in both], "deleted_at")) == 1


def test_an_organization_with_the_last_super_admins_is_not_deleted(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant
) -> None:
    inside = build.person("inside@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    client = page_client(app, inside)

    asked = choose(client, "/organizations/", "delete", [acme.id, birch.id])
    assert "Its super admins are the last who can sign in Acme" in text_of(asked.text)
    agree(client, asked)

    assert build.read(Organization, acme.id).deleted_at is None
    assert build.read(Organization, birch.id).deleted_at is not None


def test_a_new_role_ends_the_sessions_of_api_clients_and_a_move_their_tokens(
    app: Flask, build: Builder, root: Person, crew: list[uuid.UUID], acme: Tenant, birch: Tenant
) -> None:
    with acting(app):
        open_client_sessions(crew, acme.id)
        token = ApiToken(user_id=crew[0], organization_id=acme.id, token="t", name="n", beginning="b", scopes=[],
                         expires_at=now().replace(year=now().year + 1))  # fmt: skip
        team = Team(id=uuid.uuid4(), name="Drivers", organization_id=acme.id)
        add(token, team)
        add(TeamMember(team_id=team.id, user_id=crew[1], organization_id=acme.id))
    client = page_client(app, root)

    act(client, "/users/", "role-admin", crew[:1])
    assert [ended(app, key) for key in crew] == [True, False, False]
    asked = text_of(choose(client, "/users/", "move", crew, entry="birch").text)
    assert "Move 3 people to Birch?" in asked
    assert "They leave 1 team." in asked
    assert "1 API token stops working permanently." in asked
    assert "1 organization then has no active administrator" in asked
    act(client, "/users/", "move", crew, entry="birch")

    assert [ended(app, key) for key in crew] == [True] * 3
    assert values(build, crew, "organization_id") == [birch.id] * 3
    with acting(app):
        assert db.session.scalars(select(ApiToken.revoked_at)).one() is not None
        assert db.session.scalar(select(func.count()).select_from(TeamMember)) == 0


def open_client_sessions(ids: list[uuid.UUID], organization_id: uuid.UUID) -> None:
    lifetime = Lifetime(timedelta(days=1), timedelta(days=1))
    command(lambda: [add_session(key, organization_id, now(), lifetime=lifetime, token=None) for key in ids])()


def test_moving_asks_for_an_organization_and_nothing_entered_means_none(
    client: PageClient, sign_in: SignIn, build: Builder, root: Person, uma: Person, birch: Tenant
) -> None:
    sign_in(root)

    asked = choose(client, "/users/", "move", [uma.id])
    assert "Move 1 person to another organization?" in text_of(asked.text)
    wrong = agree(client, asked, entry="nowhere")
    assert "No organization matches this entry." in text_of(wrong.text)
    done = agree(client, agree(client, wrong, entry=birch.slug))
    assert done.status_code == 303
    assert build.read(User, uma.id).organization_id == birch.id
    act(client, "/users/", "move", [uma.id], entry="")

    assert build.read(User, uma.id).organization_id is None


def test_a_deleted_organization_can_neither_be_moved_to_nor_restored_into(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, root: Person, uma: Person
) -> None:
    gone = build.tenant("Gone", deleted_at=now())
    deleted = build.person("deleted@example.com", tenant=gone, deleted_at=now())
    sign_in(root)

    moved = choose(client, "/users/", "move", [uma.id], entry=str(gone.id))
    assert "No organization matches this entry." in text_of(moved.text)
    with acting(app):
        verdict = SettingPeople(users, {"organization_id": gone.id}).judged([uma.id])
    assert verdict.refused == {"The organization is deleted": [uma.id]}
    asked = choose(client, "/users/?status=deleted", "restore", [deleted.id])
    assert "The organization is deleted Deleted Example" in text_of(asked.text)


@pytest.mark.parametrize(("action", "invites"), [("role-admin", True), ("deactivate", False)])
def test_a_change_that_kills_links_of_invited_people_sends_new_ones(
    app: Flask,
    client: PageClient,
    sign_in: SignIn,
    build: Builder,
    ada: Person,
    guest: Person,
    action: str,
    *,
    invites: bool,
) -> None:
    sign_in(ada)

    act(client, "/users/?status=invited", action, [guest.id])

    assert kinds(app) == ([("invitation", str(guest.id))] if invites else [])


def test_activating_sends_the_links_that_waited(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    invited = build.person("invited@example.com", tenant=acme, is_active=False, invited_at=now())
    asked = build.person("asked@example.com", tenant=acme, is_active=False, pending_email="new@example.com")
    plain = build.person("plain@example.com", tenant=acme, is_active=False)
    sign_in(ada)

    act(client, "/users/?status=deactivated", "activate", [invited.id, asked.id, plain.id])

    assert kinds(app) == [("invitation", str(invited.id)), ("verification", str(asked.id))]
    assert values(build, [invited.id, asked.id, plain.id], "is_active") == [True] * 3


def test_invitations_are_sent_again_and_counted(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, uma: Person,
    guest: Person, bea: Person, change_settings: Any,
) -> None:  # fmt: skip
    change_settings(emails_per_hour=2)
    other = build.person("other@example.com", tenant=acme, invited_at=now(), revoked_at=now())
    sign_in(ada)

    asked = text_of(choose(client, "/users/?status=invited", "invite", [guest.id, other.id, uma.id, bea.id]).text)
    assert "Resend the invitation of 2 people?" in asked
    assert "No open invitation Uma Example" in asked
    act(client, "/users/?status=invited", "invite", [guest.id, other.id])

    assert kinds(app) == sorted(("invitation", str(key)) for key in (guest.id, other.id))
    assert values(build, [guest.id, other.id], "link_counter") == [1, 1]
    assert build.read(User, other.id).revoked_at is None
    with acting(app, ada):
        recorded = select(Activity.actor_id, Activity.organization_id).where(Activity.action == "invited")
        assert db.session.execute(recorded).all() == [(ada.id, acme.id)] * 2
    again = agree(client, choose(client, "/users/?status=invited", "invite", [guest.id, other.id]))
    assert "Too many emails in the last hour Guest Example, Other Example" in text_of(again.text)
    assert len(kinds(app)) == 2


def test_sessions_are_ended_on_behalf_of_the_administrator(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, bea: Person, uma: Person
) -> None:
    browser, other = page_client(app, uma), page_client(app, bea)
    sign_in(ada)

    asked = text_of(choose(client, "/users/", "end-sessions", [ada.id, uma.id, bea.id]).text)
    assert "End the sessions of Uma Example?" in asked
    assert "They are signed out on 1 device at once." in asked
    act(client, "/users/", "end-sessions", [ada.id, uma.id, bea.id])

    assert browser.get("/account/").status_code == 303
    assert other.get("/account/").status_code == 200
    assert client.get("/account/").status_code == 200
    with acting(app, ada):
        (event,) = db.session.scalars(select(Activity).where(Activity.action == "end_sessions"))
        assert (event.actor_id, event.row_id, event.organization_id) == (ada.id, uma.id, ada.organization_id)


def test_people_are_added_to_a_team_of_their_organization_only(
    app: Flask,
    client: PageClient,
    sign_in: SignIn,
    build: Builder,
    root: Person,
    crew: list[uuid.UUID],
    bea: Person,
    acme: Tenant,
) -> None:
    team = Team(id=uuid.uuid4(), name="Drivers", organization_id=acme.id)
    with acting(app):
        add(team)
        add(TeamMember(team_id=team.id, user_id=crew[0], organization_id=acme.id))
    sign_in(root)

    asked = text_of(choose(client, "/users/", "add-team_members", [*crew, bea.id], entry="Drivers").text)
    assert "Add 2 people to Drivers?" in asked
    assert "Already in the team Crew0 Example" in asked
    assert "Not in the organization of the team Bea Example" in asked
    act(client, "/users/", "add-team_members", [*crew, bea.id], entry="Drivers")
    act(client, "/users/?team=Drivers", "remove-team_members", crew[:1], entry="Drivers")

    with acting(app):
        assert set(db.session.scalars(select(TeamMember.user_id))) == set(crew[1:])
        events = select(func.count()).where(Activity.action == "member_added", Activity.table_name == "users")
        assert db.session.scalar(events) == 3


def test_a_person_who_was_promoted_out_of_sight_is_left_alone(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, crew: list[uuid.UUID]
) -> None:
    sign_in(ada)
    asked = choose(client, "/users/", "delete", crew)
    with acting(app):
        set_values(crew[0], role=Role.SUPER_ADMIN)

    again = agree(client, asked)

    assert again.status_code == 200
    assert values(build, crew, "deleted_at") == [None] * 3
