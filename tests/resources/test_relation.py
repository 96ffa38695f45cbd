"""Undoing memberships from the history, and links of deleted rows and organizations."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import DBAPIError

from portal.core.actor import Role
from portal.core.db import db
from portal.organizations.commands import organizations
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.activity.chain import connected
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.pages import HTMX, PageClient, fields_of, text_of, undo_in
from tests.teams.test_views import INSERT, Teams
from tests.waiting import until_blocked

Button = tuple[str, str, str]  # where it sends which field


@pytest.fixture
def made(app: Flask) -> Teams:
    return Teams(app)


def buttons(page: str) -> list[Button]:
    """The Undo buttons of the history on a page, newest first."""
    trails = "".join(re.findall(r'<ol class="trail">.*?</ol>', page, re.DOTALL))
    return re.findall(r'<button formaction="([^"]+)" name="([^"]+)" value="([^"]+)"', trails)


def press(client: PageClient, page: str, button: Button, **kwargs: Any) -> Any:
    address, name, value = button
    return client.post(address, data={"csrf_token": client.form(page)["csrf_token"], name: value}, **kwargs)


def operation_page(client: PageClient, page: str) -> str:
    main = client.get(page).text.split("<main")[1]
    return str(re.findall(r'href="(/activity/[0-9a-f-]{36})"', main)[0])


@pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
@pytest.mark.parametrize("where", ["activity", "operation", "team", "team's history", "person", "person's history"])
def test_a_membership_is_undone_from_every_page_of_the_history(
    client: PageClient, sign_in: SignIn, ada: Person, root: Person, uma: Person, acme: Tenant, made: Teams,
    role: Role, where: str,
) -> None:  # fmt: skip
    team = made.add(acme)
    sign_in(ada if role is Role.ADMIN else root)
    client.send(f"/teams/{team}/people", {"row": uma.email}, at=f"/teams/{team}")
    pages: dict[str, Callable[[], str]] = {
        "activity": lambda: "/activity/",
        "operation": lambda: operation_page(client, "/activity/"),
        "team": lambda: f"/teams/{team}",
        "team's history": lambda: f"/activity/teams/{team}",
        "person": lambda: f"/users/{uma.id}",
        "person's history": lambda: f"/activity/people/{uma.id}",
    }

    for adds, verb, sentence in ((False, "removed", "removed from"), (True, "added", "added to")):
        page = pages[where]()
        answer = press(client, page, buttons(client.get(page).text)[0], **({} if adds else {"headers": HTMX}))
        assert answer.status_code == (303 if adds else 200)
        back = answer.headers["Location" if adds else "HX-Redirect"]
        assert made.members(team) == ({uma.id} if adds else set())
        assert f"Uma Example {sentence} Drivers." in client.get(back).text
        sentences = text_of(client.get("/activity/").text)
        assert re.search(rf"\w+ Example {verb} Uma Example (from|to) Drivers by undoing an earlier change", sentences)


def test_the_message_after_a_change_and_after_an_undo_offers_undo(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    sign_in(ada)
    client.send(f"/teams/{team}/people", {"row": uma.email}, at=f"/teams/{team}")

    for expected in (set(), {uma.id}):
        client.post(f"/teams/{team}/people/undo", data=undo_in(client.get(f"/teams/{team}").text))
        assert made.members(team) == expected
    assert len(made.events("member_added")) == 4


def test_undo_is_offered_only_where_it_has_an_effect(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, bea: Person, acme: Tenant, birch: Tenant,
    made: Teams, app: Flask,
) -> None:  # fmt: skip
    team = made.add(acme)
    sign_in(ada)
    for person in (ada, uma):
        client.send(f"/teams/{team}/people", {"row": person.email}, at=f"/teams/{team}")
    added, first = buttons(client.get(f"/activity/teams/{team}").text)
    assert {added[2], first[2]} == {str(ada.id), str(uma.id)}

    client.send(f"/teams/{team}/people/remove", {"key": str(uma.id)}, at=f"/teams/{team}")
    offered = buttons(client.get(f"/activity/teams/{team}").text)
    assert [name for _, name, _ in offered] == ["member_removed", "member_added"]
    press(client, f"/teams/{team}", added)  # an old page's button: nothing is left to undo
    assert "Uma Example isn&#39;t in Drivers." in client.get(f"/teams/{team}").text
    assert made.members(team) == {ada.id}

    client.send(f"/users/{uma.id}/delete", {})
    assert first in buttons(client.get(f"/activity/teams/{team}").text)
    assert all(value != str(uma.id) for _, _, value in buttons(client.get(f"/activity/teams/{team}").text))
    client.send(f"/teams/{team}/delete", {})
    assert all(name == "version" for _, name, _ in buttons(client.get(f"/activity/teams/{team}").text))


def test_a_membership_that_ended_with_a_move_cannot_be_undone(
    client: PageClient, sign_in: SignIn, root: Person, uma: Person, acme: Tenant, birch: Tenant, made: Teams,
    app: Flask, build: Builder,
) -> None:  # fmt: skip
    team = made.add(acme, "Drivers", uma)
    with acting(app):
        users.update(uma.id, build.read(User, uma.id).version, {"organization_id": birch.id})
    sign_in(root)

    assert buttons(client.get(f"/activity/teams/{team}").text) == []
    undo = (f"/teams/{team}/people/undo", "member_removed", str(uma.id))
    press(client, f"/teams/{team}", undo)
    assert (
        "Not undone. The team and the person aren&#39;t in the same organization" in client.get(f"/teams/{team}").text
    )
    assert made.members(team) == set()


def test_nobody_undoes_memberships_without_the_permission_or_of_another_tenant(
    client: PageClient, sign_in: SignIn, ada: Person, bea: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme, "Drivers", uma)
    for person, expected in ((uma, 403), (bea, 404), (ada, 303)):
        sign_in(person)
        assert person is not uma or buttons(client.get("/account/").text) == []
        for address, value in ((f"/teams/{team}/people/undo", uma.id), (f"/users/{uma.id}/teams/undo", team)):
            answer = press(client, "/account/", (address, "member_added", str(value)))
            assert answer.status_code == expected
            assert made.members(team) == (set() if person is ada else {uma.id})
        client.send("/logout", {}, at="/account/")


@pytest.mark.parametrize(
    "fields",
    [{}, {"member_added": ""}, {"member_added": "x"}, {"member_added": str(uuid.UUID(int=1))}, {"row": "\u202e"},
     {"member_removed": "{own}"}, {"member_dropped": "{own}"}, {"version": "1"}],
)  # fmt: skip
def test_a_forged_undo_of_a_membership_is_not_found(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams, fields: dict[str, str]
) -> None:
    team = made.add(acme, "Drivers", uma)
    sign_in(ada)
    token = client.form(f"/teams/{team}")["csrf_token"]

    sent = {name: value.format(own=uma.id) for name, value in fields.items()}
    answer = client.post(f"/teams/{team}/people/undo", data={"csrf_token": token, **sent})

    assert answer.status_code == 404
    assert made.members(team) == {uma.id}


@pytest.mark.parametrize("side", ["team", "person"])
def test_links_in_a_deleted_organization_cannot_be_changed(
    client: PageClient, sign_in: SignIn, root: Person, ada: Person, uma: Person, acme: Tenant, made: Teams, side: str
) -> None:
    team = made.add(acme, "Drivers", uma)
    page = f"/teams/{team}" if side == "team" else f"/users/{ada.id}"
    sign_in(root)
    form = client.get(page).text
    client.send(f"/organizations/{acme.id}/delete", {})

    base = f"{page}/{'people' if side == 'team' else 'teams'}"
    noun = "team" if side == "team" else "person"
    problem = f"The organization of the {noun} is deleted. Restore the organization first."
    token = {"csrf_token": fields_of(form)["csrf_token"]}
    for name, field, value, verb in (
        ("", "row", ada.email if side == "team" else "Drivers", "added"),
        ("", "row", "nobody", "added"),
        ("/remove", "key", str(uma.id if side == "team" else team), "removed"),
        ("/undo", "member_added", str(uma.id if side == "team" else team), "undone"),
    ):
        answer = client.post(f"{base}{name}", data={**token, field: value})
        assert answer.status_code == 303
        assert f"Not {verb}. {problem}" in client.get(page).text
        assert made.members(team) == {uma.id}
    assert all(name == "version" for _, name, _ in buttons(client.get(f"/activity/teams/{team}").text))


def test_a_deleted_row_says_that_it_has_to_be_restored_before_its_links_change(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme, "Drivers", uma)
    sign_in(ada)
    token = {"csrf_token": client.form(f"/teams/{team}")["csrf_token"]}
    client.send(f"/users/{uma.id}/delete", {})

    for name, field, verb in (("remove", "key", "removed"), ("undo", "member_added", "undone")):
        client.post(f"/teams/{team}/people/{name}", data={**token, field: str(uma.id)})
        message = f"Not {verb}. Uma Example is deleted. Restore the person first."
        assert message in client.get(f"/teams/{team}").text
    client.send(f"/teams/{team}/delete", {})
    client.post(f"/teams/{team}/people", data={**token, "row": ada.email})
    assert "Not added. Drivers is deleted. Restore the team first." in client.get(f"/teams/{team}").text
    client.post(f"/teams/{team}/people/remove", data={**token, "key": str(ada.id)})
    assert "Not removed. Drivers is deleted. Restore the team first." in client.get(f"/teams/{team}").text
    assert made.members(team) == {uma.id}


def test_the_database_refuses_links_in_a_deleted_organization(
    app: Flask, uma: Person, acme: Tenant, made: Teams
) -> None:
    team = made.add(acme)
    with acting(app):
        organizations.delete(acme.id)
        with pytest.raises(DBAPIError, match="is deleted"):
            db.session.connection().exec_driver_sql(INSERT, (team, uma.id, acme.id))
        db.session.rollback()


@pytest.mark.parametrize("parent", ["organizations", "teams", "users"])
@pytest.mark.parametrize("adds", [True, False])
def test_a_change_of_a_link_waits_for_a_deletion_and_is_then_refused(
    fresh_app: Flask, fresh_database: str, parent: str, adds: bool
) -> None:
    build, made = Builder(fresh_app), Teams(fresh_app)
    acme = build.tenant("Acme")
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    uma = build.person("uma@example.com", tenant=acme)
    team = made.add(acme, "Drivers", *(() if adds else (uma,)))
    client = page_client(fresh_app, root)
    token = client.form(f"/teams/{team}")["csrf_token"]
    address, fields = f"/teams/{team}/people", {"row": uma.email} if adds else {"key": str(uma.id)}
    data = {"csrf_token": token, **fields}
    sent = threading.Thread(target=partial(client.post, address if adds else f"{address}/remove", data=data))

    with connected(fresh_database) as deleting:
        deleting.execute("BEGIN")
        row = {"organizations": acme.id, "teams": team, "users": uma.id}[parent]
        deleting.execute(f"UPDATE {parent} SET deleted_at = now() WHERE id = %s", (row,))  # noqa: S608
        sent.start()
        until_blocked(fresh_database)
        deleting.execute("COMMIT")
        sent.join()

    assert made.members(team) == (set() if adds else {uma.id})
    assert f"Not {'added' if adds else 'removed'}." in client.get(f"/teams/{team}").text
