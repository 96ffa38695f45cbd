"""Tests of the team pages over HTTP, as an ADMIN and as a SUPER_ADMIN."""

from __future__ import annotations

import html
import re
import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from portal.core.actor import Role
from portal.core.db import command, db
from portal.core.history import Activity
from portal.resources.relation import Side
from portal.teams.commands import teams
from portal.teams.models import Team, TeamMember
from portal.tokens import commands as tokens
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.pages import PageClient, fields_of, text_of, undo_in

INSERT = "INSERT INTO team_members (team_id, user_id, organization_id) VALUES (%s, %s, %s)"


class Teams:
    """Adds teams and members as the system, and reads them."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def add(self, tenant: Tenant, name: str = "Drivers", *members: Person, **values: Any) -> uuid.UUID:
        with acting(self.app):
            row = {"name": name, "organization_id": tenant.id, **values}
            key = teams.create(row, row_id=uuid.uuid4())
        self.add_members(key, tenant, *members)
        return key

    def add_members(self, team: uuid.UUID, tenant: Tenant, *members: Person) -> None:
        with acting(self.app):
            for member in members:
                db.session.add(TeamMember(team_id=team, user_id=member.id, organization_id=tenant.id))
            db.session.flush()
            db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # as a commit does
            db.session.commit()

    def members(self, team: uuid.UUID) -> set[uuid.UUID]:
        with acting(self.app):
            return set(db.session.scalars(select(TeamMember.user_id).where(TeamMember.team_id == team)))

    def events(self, action: str) -> list[tuple[str | None, uuid.UUID | None, uuid.UUID | None]]:
        """Table, row and tenant of the events, in their order."""
        with acting(self.app):
            found = select(Activity.table_name, Activity.row_id, Activity.organization_id)
            rows = db.session.execute(found.where(Activity.action == action).order_by(Activity.id))
            return [(one.table_name, one.row_id, one.organization_id) for one in rows]


def _operation(client: PageClient, page: str, number: int) -> str:
    """The text of the page of an operation that another page links to."""
    main = client.get(page).text.split("<main")[1]
    return text_of(client.get(re.findall(r'href="(/activity/[0-9a-f-]{36})"', main)[number]).text)


@pytest.fixture
def made(app: Flask) -> Teams:
    return Teams(app)


def test_an_admin_creates_edits_deletes_restores_and_undoes_a_team(
    client: PageClient, sign_in: SignIn, ada: Person, build: Builder, app: Flask
) -> None:
    sign_in(ada)

    response = client.send("/teams/new", {"name": "Drivers", "description": "People who drive"})
    assert response.status_code == 303
    page = response.headers["Location"]
    key = uuid.UUID(page.rsplit("/", 1)[1])
    row = build.read(Team, key)
    assert (row.name, row.description, row.organization_id) == ("Drivers", "People who drive", ada.organization_id)

    assert client.send(f"{page}/edit", {"name": "Riders", "description": ""}).status_code == 303
    assert "Undo" in client.get(page).text
    assert client.send(f"/activity/teams/{key}/undo", {"version": "2"}, at=page).status_code == 303
    assert build.read(Team, key).name == "Drivers"
    assert client.send(f"{page}/delete", {}).status_code == 303
    assert "Drivers" in client.get("/teams/?status=deleted").text
    assert "Drivers" not in client.get("/teams/").text
    assert client.send(f"{page}/restore", {}, at=page).status_code == 303
    assert not build.read(Team, key).is_deleted
    history = client.get(f"/activity/teams/{key}").text
    assert all(
        verb in history
        for verb in ("created", "changed 2 fields", "by undoing an earlier change", "deleted", "restored")
    )


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        ({"name": ""}, "Enter the team&#39;s name."),
        ({"name": "x" * 81}, "Use 80 characters at most."),
        ({"name": "a\x00b"}, None),
        ({"name": "drivers"}, "Another team has this name."),
        ({"name": "Fine", "description": "x" * 201}, "Use 200 characters at most."),
    ],
)
def test_bad_input_gets_an_error_beside_the_field(
    client: PageClient,
    sign_in: SignIn,
    ada: Person,
    acme: Tenant,
    made: Teams,
    sent: dict[str, str],
    problem: str | None,
) -> None:
    made.add(acme)
    sign_in(ada)

    response = client.send("/teams/new", sent)

    assert response.status_code == (422 if problem else 400)
    assert problem is None or problem in response.text


def test_two_organizations_can_have_teams_of_the_same_name(
    client: PageClient, sign_in: SignIn, ada: Person, birch: Tenant, made: Teams
) -> None:
    made.add(birch)
    sign_in(ada)

    assert client.send("/teams/new", {"name": "Drivers"}).status_code == 303


def test_a_super_admin_chooses_the_organization_of_a_new_team(
    client: PageClient, sign_in: SignIn, root: Person, birch: Tenant, build: Builder
) -> None:
    sign_in(root)

    missing = client.send("/teams/new", {"name": "Drivers", "organization_id": ""})
    unknown = client.send("/teams/new", {"name": "Drivers", "organization_id": "no such"})
    made = client.send("/teams/new", {"name": "Drivers", "organization_id": birch.slug})

    assert (missing.status_code, unknown.status_code, made.status_code) == (422, 422, 303)
    assert build.read(Team, uuid.UUID(made.headers["Location"].rsplit("/", 1)[1])).organization_id == birch.id


def test_a_member_is_added_by_email_or_name_and_removed_from_either_page(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    sign_in(ada)

    added = client.send(f"/teams/{team}/people", {"row": uma.email}, at=f"/teams/{team}")
    assert added.status_code == 303
    page = client.get(f"/teams/{team}").text
    assert uma.name in page
    assert f"{uma.name} added to Drivers." in page
    assert "Drivers" in client.get(f"/users/{uma.id}").text

    client.send(f"/users/{uma.id}/teams/remove", {"key": str(team)}, at=f"/users/{uma.id}")
    assert made.members(team) == set()
    assert f"{uma.name} removed from Drivers." in client.get(f"/users/{uma.id}").text
    client.send(f"/users/{uma.id}/teams", {"row": "drivers"}, at=f"/users/{uma.id}")
    assert made.members(team) == {uma.id}
    client.send(f"/teams/{team}/people/remove", {"key": str(uma.id)}, at=f"/teams/{team}")
    assert made.members(team) == set()
    client.post(f"/teams/{team}/people/undo", data=undo_in(client.get(f"/teams/{team}").text))
    assert made.members(team) == {uma.id}


def test_adding_somebody_twice_changes_and_records_nothing(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme, "Drivers", uma)
    sign_in(ada)

    client.send(f"/teams/{team}/people", {"row": uma.email}, at=f"/teams/{team}")
    client.send(f"/teams/{team}/people/remove", {"key": str(ada.id)}, at=f"/teams/{team}")

    assert made.members(team) == {uma.id}
    assert len(made.events("member_added")) == 2
    assert made.events("member_removed") == []


@pytest.mark.parametrize(
    "text", ["", "nobody", "%", "'; DROP TABLE teams --", "x" * 300, "0189dfb2-0000-7000-8000-000000000000"]
)
def test_an_unknown_name_is_an_error_beside_the_field_on_the_same_page(
    client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, made: Teams, text: str
) -> None:
    team = made.add(acme)
    sign_in(ada)

    response = client.send(f"/teams/{team}/people", {"row": text}, at=f"/teams/{team}")

    assert response.status_code == 422
    assert 'id="team_members-row-error"' in response.text
    assert '<a class="nav-item" href="/teams/" aria-current="page">' in response.text
    assert made.members(team) == set()


def test_people_of_another_organization_cannot_be_added(
    client: PageClient, sign_in: SignIn, root: Person, bea: Person, acme: Tenant, made: Teams, ada: Person
) -> None:
    team = made.add(acme)
    for person in (ada, root):
        sign_in(person)
        named = client.send(f"/teams/{team}/people", {"row": bea.email}, at=f"/teams/{team}")
        keyed = client.send(f"/teams/{team}/people/undo", {"member_removed": str(bea.id)}, at=f"/teams/{team}")
        assert named.status_code == 422
        assert keyed.status_code == 404
        client.send("/logout", {}, at="/account/")

    assert made.members(team) == set()


def test_suggestions_are_people_of_the_teams_organization(
    client: PageClient, sign_in: SignIn, root: Person, uma: Person, bea: Person, acme: Tenant
) -> None:
    sign_in(root)

    suggested = client.get(f"/users/options?field=x&x=example&organization={acme.id}").text

    assert uma.email in suggested
    assert bea.email not in suggested


def test_people_are_filtered_by_team(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, birch: Tenant, made: Teams
) -> None:
    team, foreign = made.add(acme, "Drivers", uma), made.add(birch, "Pilots")
    made.add(acme, "Empty")
    sign_in(ada)

    for value in (str(team), "drivers", "driv"):
        page = client.get(f"/users/?team={value}").text
        assert uma.email in page
        assert ada.email not in page.split("<tbody>")[1].split("</tbody>")[0]
    assert uma.email not in client.get("/users/?team=Empty").text
    searched = client.get("/users/?team=drivers&q=uma").text
    assert uma.email in searched
    assert "Nobody" not in searched
    for value in ("pilots", str(foreign), str(uuid.uuid4()), "%20", "%25"):
        page = client.get(f"/users/?team={value}").text
        assert "No team matches this name." in page
    assert "Drivers" in client.get(f"/teams/?person={uma.id}").text
    assert "Empty" not in client.get(f"/teams/?person={uma.id}").text.split("<tbody>")[1]


def test_the_list_counts_members_who_can_sign_in(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, build: Builder, made: Teams
) -> None:
    gone = build.person("gone@example.com", tenant=acme, is_active=False)
    team = made.add(acme, "Drivers", uma, gone)
    sign_in(ada)

    assert f'<a href="/users/?team={team}">1</a>' in client.get("/teams/").text


def test_an_entered_name_is_kept_while_signing_in_again(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    sign_in(ada)
    fields = client.form(f"/teams/{team}", action=f"/teams/{team}/people") | {"row": uma.email}
    with acting(app):
        tokens.revoke_all(ada.id)

    client.post(f"/teams/{team}/people", data=fields)
    sign_in(ada)
    page = client.get(f"/teams/{team}/people")
    assert page.status_code == 200
    assert fields_of(page.text, f"/teams/{team}/people")["row"] == uma.email
    assert "Your entries are still here." in page.text
    assert client.get(f"/teams/{team}/people").status_code == 303


def test_members_who_cannot_sign_in_are_marked(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, build: Builder, made: Teams
) -> None:
    gone = build.person("gone@example.com", tenant=acme, is_active=False)
    team = made.add(acme, "Drivers", uma, gone)
    sign_in(ada)

    assert client.get(f"/teams/{team}").text.count("Deactivated") == 1


@pytest.mark.parametrize(
    ("names", "entered"),
    [
        (("Straße", "Strasse"), "Strasse"),
        (("Support <help@acme.com>",), "Support <help@acme.com>"),
        (("Support <help@acme.com>",), "support  <HELP@acme.com>"),
        (("00000000-0000-0000-0000-000000000000",), "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_a_team_is_chosen_by_its_own_name(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams,
    names: tuple[str, ...], entered: str,
) -> None:  # fmt: skip
    *_, last = (made.add(acme, name) for name in names)
    sign_in(ada)

    assert client.send(f"/users/{uma.id}/teams", {"row": entered}, at=f"/users/{uma.id}").status_code == 303
    assert made.members(last) == {uma.id}


def test_the_exact_name_is_suggested_first(
    client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, made: Teams
) -> None:
    for number in range(12):
        made.add(acme, f"Area {number} operators")
    made.add(acme, "Operators")
    sign_in(ada)

    text = client.get("/teams/options?field=row&row=operators").text
    assert re.findall(r'value="([^"]+)"', text)[:2] == ["Operators", "Area 0 operators"]


def test_a_row_that_moves_while_it_is_added_causes_no_server_error(
    fresh_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, made = Builder(fresh_app), Teams(fresh_app)
    acme, birch = build.tenant("Acme"), build.tenant("Birch")
    ada, uma = (build.person(f"{name}@example.com", role=Role.ADMIN, tenant=acme) for name in ("ada", "uma"))
    team = made.add(acme)
    client, change = page_client(fresh_app, ada), Side.change

    def move_first(side: Side, row: Any, other: Any, **options: bool) -> bool:
        with acting(fresh_app):
            users.update(uma.id, build.read(User, uma.id).version, {"organization_id": birch.id})
        return change(side, row, other, **options)

    monkeypatch.setattr(Side, "change", move_first)
    answer = client.send(f"/users/{uma.id}/teams", {"row": "Drivers"}, at=f"/users/{uma.id}")
    assert answer.status_code == 303
    assert made.members(team) == set()
    assert "Not added." in client.get("/teams/").text


def test_a_deleted_row_cannot_be_linked(acme: Tenant, uma: Person, made: Teams, app: Flask) -> None:
    team = made.add(acme)
    with acting(app):
        teams.delete(team)

    with pytest.raises(DBAPIError, match="is deleted"):
        made.add_members(team, acme, uma)


def test_somebody_without_an_organization_cannot_be_added_to_a_team(
    client: PageClient, sign_in: SignIn, root: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    sign_in(root)

    for name in ("drivers", "unknown"):
        client.send(f"/users/{root.id}/teams", {"row": name}, at=f"/users/{root.id}")
        assert "A person without an organization can&#39;t have teams." in client.get(f"/users/{root.id}").text
    client.send(f"/users/{root.id}/teams/remove", {"key": str(team)}, at=f"/users/{root.id}")
    assert "Not removed. A person without an organization" in client.get(f"/users/{root.id}").text
    assert made.members(team) == set()


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_an_organizations_page_links_to_its_teams(
    client: PageClient, sign_in: SignIn, ada: Person, root: Person, acme: Tenant, birch: Tenant, made: Teams, role: Role
) -> None:
    made.add(acme, "Drivers")
    made.add(birch, "Pilots")
    sign_in(ada if role is Role.ADMIN else root)

    found = re.search(r'<a href="([^"]+)">Teams</a>', client.get(f"/organizations/{acme.id}").text)
    assert found
    listed = client.get(html.unescape(found[1])).text
    assert "Drivers" in listed
    assert "Pilots" not in listed


def test_both_histories_show_a_membership_to_the_tenant(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    sign_in(ada)
    client.send(f"/teams/{team}/people", {"row": uma.email}, at=f"/teams/{team}")

    assert made.events("member_added") == [("teams", team, acme.id), ("users", uma.id, acme.id)]
    for page in (f"/activity/teams/{team}", f"/activity/people/{uma.id}", "/activity/", f"/teams/{team}"):
        text = client.get(page).text
        assert f'<a href="/users/{uma.id}">{uma.name}</a>' in text or page.endswith(f"people/{uma.id}")
        assert "added" in text
    assert "1 more" not in client.get("/activity/").text.split("added")[1][:300]


def test_a_tenant_learns_nothing_about_a_super_admin_in_a_team(
    client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, build: Builder, made: Teams
) -> None:
    hidden = build.person("zaphod@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    team = made.add(acme, "Drivers", hidden)
    sign_in(ada)

    assert [tenant for *_, tenant in made.events("member_added")] == [None, None]
    for page in (f"/teams/{team}", f"/activity/teams/{team}", "/teams/", "/activity/"):
        assert "zaphod" not in client.get(page).text.lower()
    assert f'<a href="/users/?team={team}">' not in client.get("/teams/").text


def test_moving_a_person_asks_first_and_says_how_many_teams_they_leave(
    client: PageClient, sign_in: SignIn, root: Person, uma: Person, acme: Tenant, birch: Tenant, made: Teams
) -> None:
    team = made.add(acme, "Drivers", uma)
    sign_in(root)

    asked = client.send(f"/users/{uma.id}/edit", {"organization_id": birch.name})

    assert "Uma Example leaves 1 team." in asked.text
    assert made.members(team) == {uma.id}


def test_whoever_moves_to_another_organization_leaves_their_teams(
    uma: Person, ada: Person, acme: Tenant, birch: Tenant, made: Teams, app: Flask, build: Builder
) -> None:
    team = made.add(acme, "Drivers", uma, ada)
    with acting(app):
        users.update(uma.id, build.read(User, uma.id).version, {"organization_id": birch.id})

    assert made.members(team) == {ada.id}
    assert made.events("member_removed") == [("teams", team, acme.id), ("users", uma.id, acme.id)]


def test_the_former_organization_sees_that_somebody_left_a_team(
    client: PageClient, sign_in: SignIn, ada: Person, bea: Person, uma: Person, acme: Tenant, birch: Tenant,
    made: Teams, app: Flask, build: Builder,
) -> None:  # fmt: skip
    team = made.add(acme, "Drivers", uma)
    with acting(app):
        moved = {"organization_id": birch.id, "first_name": "Ulrike"}
        users.update(uma.id, build.read(User, uma.id).version, moved)

    sign_in(ada)
    for page, subject in (
        (f"/activity/teams/{team}", "somebody from this team"),
        (f"/teams/{team}", "somebody from this team"),
        ("/activity/", "somebody from Drivers"),
    ):
        text = text_of(client.get(page).text)
        assert f" removed {subject}" in text
        assert "Ulrike" not in text
    client.send("/logout", {}, at="/account/")
    sign_in(bea)
    for page in ("/activity/", f"/activity/people/{uma.id}"):
        assert "Drivers" not in client.get(page).text
        assert " removed " not in text_of(client.get(page).text)


def test_an_operation_shows_each_change_of_a_membership_once(
    client: PageClient, sign_in: SignIn, ada: Person, root: Person, uma: Person, acme: Tenant, birch: Tenant,
    made: Teams, app: Flask, build: Builder,
) -> None:  # fmt: skip
    team = made.add(acme, "Drivers")
    with acting(app, ada):
        made_now = TeamMember(team_id=team, user_id=uma.id, organization_id=acme.id)
        command(lambda: db.session.add(made_now))()
    sign_in(ada)
    shown = _operation(client, f"/activity/teams/{team}", 0)
    assert shown.count("added Uma Example to Drivers") == 1
    assert "1–" not in shown
    client.send("/logout", {}, at="/account/")

    made.add(acme, "Riders", uma)
    with acting(app, root):
        users.update(uma.id, build.read(User, uma.id).version, {"organization_id": birch.id})
    sign_in(root)
    listed = text_of(client.get("/activity/").text)
    assert re.search(r"Root Example removed Uma Example from \w+, with 2 more in the same change", listed)
    shown = _operation(client, f"/activity/people/{uma.id}", 0)
    for sentence in ("removed Uma Example from Drivers", "removed Uma Example from Riders", "changed the organization"):
        assert shown.count(sentence) == 1
    assert "1–3 of 3" in shown
    lines = client.get(f"/activity/export?row={uma.id}&action=member_removed").text.splitlines()
    assert len([line for line in lines if "removed" in line]) == 4, "the file has the events of both sides"


@pytest.mark.parametrize("role", [Role.SUPER_ADMIN, Role.USER])
def test_a_tenant_does_not_learn_that_a_super_admin_leaves_a_team(
    client: PageClient, sign_in: SignIn, ada: Person, root: Person, acme: Tenant, birch: Tenant, build: Builder,
    made: Teams, app: Flask, role: Role,
) -> None:  # fmt: skip
    assert root.role is Role.SUPER_ADMIN, "somebody else has to be one, too"
    hidden = build.person("zaphod@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    team = made.add(acme, "Drivers", hidden)
    with acting(app):
        users.update(hidden.id, build.read(User, hidden.id).version, {"organization_id": birch.id, "role": role})
    sign_in(ada)

    assert made.members(team) == set()
    assert [tenant for *_, tenant in made.events("member_removed")] == [None, None]
    for page in (f"/activity/teams/{team}", f"/teams/{team}", "/activity/"):
        assert " removed " not in text_of(client.get(page).text)


def test_deleted_people_and_teams_keep_the_membership(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme, "Drivers", uma)
    sign_in(ada)

    client.send(f"/users/{uma.id}/delete", {})
    assert uma.email not in client.get(f"/teams/{team}").text
    client.send(f"/users/{uma.id}/restore", {}, at=f"/users/{uma.id}")
    assert uma.email in client.get(f"/teams/{team}").text
    client.send(f"/teams/{team}/delete", {})
    assert 'aria-label="Remove ' not in client.get(f"/teams/{team}").text
    client.send(f"/teams/{team}/restore", {}, at=f"/teams/{team}")
    assert made.members(team) == {uma.id}


def test_the_database_refuses_links_across_organizations_and_changes_of_links(
    app: Flask, uma: Person, bea: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme, "Drivers", uma)
    with acting(app):
        for statement, values in (
            (INSERT, (team, bea.id, acme.id)),
            (INSERT, (team, bea.id, bea.organization_id)),
            ("UPDATE team_members SET user_id = %s", (bea.id,)),
            ("UPDATE teams SET organization_id = %s", (bea.organization_id,)),
            ("TRUNCATE team_members", ()),
        ):
            with pytest.raises(DBAPIError):
                db.session.connection().exec_driver_sql(statement, values)
            db.session.rollback()

    assert made.members(team) == {uma.id}


def test_a_team_of_a_deleted_organization_is_shown_as_such_and_offers_no_changes(
    client: PageClient, sign_in: SignIn, root: Person, uma: Person, acme: Tenant, build: Builder, made: Teams
) -> None:
    team, gone = made.add(acme, "Drivers", uma), made.add(acme, "Riders")
    sign_in(root)
    active = client.get(f"/teams/{team}").text
    assert all(one in active for one in (f'/teams/{team}/edit"', f'/teams/{team}/delete"', "/people/remove", "Active"))
    client.send(f"/teams/{gone}/delete", {})
    client.send(f"/organizations/{acme.id}/delete", {})

    page = client.get(f"/teams/{team}").text
    assert 'class="dot amber">Organization deleted</span>' in page
    assert '<span class="tag">Deleted</span>' in page
    assert not any(one in page for one in ("/edit", "/delete", 'aria-label="Remove ', "Active</span>", ">Add</button>"))
    person = client.get(f"/users/{uma.id}").text
    assert "Organization deleted" in person
    assert f'/users/{uma.id}/edit"' in person, "they can be moved to another organization"
    assert ">Add</button>" not in person
    client.send(f"/teams/{gone}/restore", {}, at=f"/teams/{gone}")
    assert "Not restored. This organization doesn&#39;t exist or was deleted." in client.get(f"/teams/{gone}").text
    assert build.read(Team, gone).is_deleted


def test_the_earlier_state_names_the_compared_fields(
    client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    sign_in(ada)

    shown = text_of(client.get(f"/activity/teams/{team}?at=2100-01-01T00:00").text)
    assert "its name and description were as they are now." in shown
    shown = text_of(client.get(f"/activity/people/{ada.id}?at=2100-01-01T00:00").text)
    assert "all fields below were as they are now." in shown


def test_the_form_of_a_deleted_team_leads_to_where_it_can_be_restored(
    client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    sign_in(ada)
    form = client.get(f"/teams/{team}/edit").text
    client.send(f"/teams/{team}/delete", {})
    client.get("/teams/")

    assert client.get(f"/teams/{team}/edit").status_code == 303
    assert "Drivers is deleted. Restore it first." in client.get(f"/teams/{team}").text
    sent = {**fields_of(form), "name": "Riders"}
    assert client.post(f"/teams/{team}/edit", data=sent).status_code == 303
    assert "Drivers was deleted in the meantime, so your changes were not saved." in client.get(f"/teams/{team}").text


def test_only_the_history_of_people_has_sign_ins(
    client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    sign_in(ada)

    assert "Sign-ins</a>" in client.get(f"/activity/people/{ada.id}").text
    for page in (f"/activity/teams/{team}", f"/activity/teams/{team}?status=sign-ins"):
        shown = client.get(page).text
        assert "Changes</a>" in shown
        assert "Sign-ins" not in shown
        assert "created this team" in text_of(shown)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_question_before_deleting_a_team_says_that_it_keeps_its_members(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, build: Builder, made: Teams,
    number: int,
) -> None:  # fmt: skip
    hidden = build.person("zaphod@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    team = made.add(acme, "Drivers", hidden, *(ada, uma)[:number])
    sign_in(ada)

    asked = client.get(f"/teams/{team}/delete").text
    assert "You can restore it from the deleted teams." in asked
    kept = f"It has {number} member{'' if number == 1 else 's'}. They stay in it if you restore it."
    assert (kept in asked) is (number > 0)
    assert ("It has" in asked) is (number > 0)


def test_teams_are_searched_and_paged(
    client: PageClient, sign_in: SignIn, ada: Person, acme: Tenant, birch: Tenant, made: Teams
) -> None:
    for number in range(30):
        made.add(acme, f"Team {number:02}")
    made.add(birch, "Team 30")
    sign_in(ada)

    assert "1–25 of 30" in client.get("/teams/").text
    assert "Team 29" in client.get("/teams/?page=last").text
    assert client.get("/teams/?q=team+29").text.count("/edit") == 1
    backward = client.get("/teams/?sort=-name").text
    assert backward.index("Team 29") < backward.index("Team 28")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
def test_the_history_shows_the_source_of_every_change_in_the_same_way(
    client: PageClient, sign_in: SignIn, ada: Person, root: Person, uma: Person, acme: Tenant, made: Teams, role: Role
) -> None:
    team = made.add(acme)
    sign_in(ada if role is Role.ADMIN else root)
    client.send(f"/teams/{team}/edit", {"name": "Riders"})
    client.send(f"/teams/{team}/people", {"row": uma.email}, at=f"/teams/{team}")
    client.send(f"/teams/{team}/delete", {})

    for page in (f"/teams/{team}", f"/activity/teams/{team}", "/activity/"):
        trail = client.get(page).text.split('<ol class="trail">', 1)[1].split("</ol>")[0]
        for verb in ("deleted", "added", "changed"):
            entry = next(one for one in trail.split("<li") if f" {verb}" in text_of(f"<li{one}"))
            assert "<small>127.0.0.1" in entry, (page, verb)


@pytest.mark.parametrize("path", ["/teams/new", "/users/new"])
def test_the_field_for_an_organization_has_the_same_hint_in_every_form(
    client: PageClient, sign_in: SignIn, root: Person, path: str
) -> None:
    sign_in(root)
    assert re.search(r'id="organization_id-hint">Suggestions appear as you type\.', client.get(path).text)


@pytest.mark.parametrize("side", ["team", "person"])
def test_an_entry_is_kept_when_another_row_is_removed(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams, side: str
) -> None:
    team = made.add(acme, "Drivers", uma)
    other = made.add(acme, "Riders")
    page, base, key, elsewhere = (
        (f"/teams/{team}", f"/teams/{team}/people", uma.id, f"/teams/{other}") if side == "team"
        else (f"/users/{uma.id}", f"/users/{uma.id}/teams", team, f"/users/{ada.id}")
    )  # fmt: skip
    sign_in(ada)
    form = fields_of(client.get(page).text, base)
    assert form["row"] == ""
    typed = '  <b>"Nu\u200b & x  '

    for sent in (typed, "", "x" * 5000):
        client.post(f"{base}/remove", data={**form, "row": sent, "key": str(key)})
        shown = client.get(page)
        assert fields_of(shown.text, base)["row"] == {typed: '<b>"Nu & x', "": ""}.get(sent, "x" * 254)
        assert ("data-unsaved" in shown.text) is bool(sent)
        assert made.members(team) == set()
        assert fields_of(client.get(page).text, base)["row"] == "", "once"
    client.post(f"{base}/remove", data={**form, "row": typed, "key": str(key)})
    assert "Nu &amp; x" not in client.get(elsewhere).text, "another page"


def test_enter_in_the_entry_adds_and_removes_nobody(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme, "Drivers", uma)
    sign_in(ada)
    form = client.get(f"/teams/{team}").text.split(f'action="/teams/{team}/people"')[1].split("</form>")[0]
    first = re.findall(r"<button[^>]*>", form)[0]
    assert "formaction" not in first
