"""Logging the statements of a request, and the budget of statements per page."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from portal.core.actor import Role
from portal.core.keys import uuid7
from portal.core.statements import watched
from portal.teams.commands import teams
from tests.acting import acting, portal_on
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.pages import PageClient

# Statements of a page for a SUPER_ADMIN and for an ADMIN, including the session's lookup and set_actor.
BUDGET = {
    "/": (10, 7),  # one counts a list that shows deleted rows
    "/users/": (5, 4),
    "/users/?q=ada": (5, 4),
    "/users/new": (2, 2),
    "/users/{person}": (12, 12),
    "/users/{person}/edit": (4, 4),
    "/organizations/{tenant}/edit": (4, 4),
    "/organizations/{tenant}": (9, 9),
    "/activity/": (5, 4),
    "/activity/people/{person}": (6, 5),
    "/browser/": (6, 4),  # one counts the rows of all tables
    "/browser/users": (9, 4),
    "/browser/users/row?key={person}": (9, 4),
    "/browser/sql": (4, 4),
    "/account/": (5, 5),
    "/account/password": (6, 6),  # one counts the API tokens that a new password ends
    "/login": (2, 2),
}  # fmt: skip


@pytest.mark.parametrize("path", BUDGET)
def test_a_page_stays_within_its_budget_of_statements(
    client: PageClient, other_client: PageClient, root: Person, ada: Person, uma: Person, acme: Tenant, path: str
) -> None:
    address = path.format(person=uma.id, tenant=acme.id)

    for_root, for_ada = statements_for(client, root, address), statements_for(other_client, ada, address)

    assert 1 <= for_root <= BUDGET[path][0]
    assert 1 <= for_ada <= BUDGET[path][1]


@pytest.mark.parametrize("path", ["/healthz", "/static/js/portal.js"])
def test_probes_and_static_files_read_nothing_even_with_a_session(client: PageClient, root: Person, path: str) -> None:
    SignIn(client)(root)
    with watched() as seen, client.get(path) as response:
        assert response.status_code == 200
    assert seen == []


# What a page's form changes, and the statements of saving it: at most 6.
SAVED = {
    "/users/{person}/edit": {"first_name": "Una"},
    "/organizations/{tenant}/edit": {"name": "Acme Logistics"},
    "/teams/{team}/edit": {"description": "People who drive"},
}


@pytest.mark.parametrize("path", SAVED)
def test_saving_takes_three_statements_with_history_and_undo(fresh_app: Flask, path: str) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    uma = build.person("uma@example.com", tenant=acme)
    with acting(fresh_app):
        team = teams.create({"name": "Drivers", "organization_id": acme.id}, row_id=uuid7())
    address = path.format(person=uma.id, tenant=acme.id, team=team)

    for person in (root, ada):
        client = page_client(fresh_app, person)
        fields = client.form(address) | {name: f"{value} {person.name}" for name, value in SAVED[path].items()}
        with watched() as seen:
            assert client.post(address, data=fields).status_code == 303
        assert len(seen) == 3, [one.text for one in seen]
        assert "Undo" in client.get(address.removesuffix("/edit")).text


def statements_for(client: PageClient, person: Person, address: str) -> int:
    """The number of statements when the page is opened again, without the savepoints of the test."""
    SignIn(client)(person)
    client.get(address)
    with watched() as seen:
        assert client.get(address).status_code in (200, 303, 403)
    return len([one for one in seen if "SAVEPOINT" not in one.text])


def entries(portal_log: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in portal_log.records if one.name == "portal.sql"]


def test_the_statements_of_a_request_are_logged_if_configured(
    fresh_database: str, portal_log: pytest.LogCaptureFixture
) -> None:
    with portal_on(fresh_database, sql=True, production=True) as app:
        root = Builder(app).person("root@example.com", role=Role.SUPER_ADMIN)
        client = page_client(app, root)
        portal_log.clear()
        answer = client.get("/users/?q=needle")

    (entry,) = entries(portal_log)
    first, *statements = entry.splitlines()
    assert re.fullmatch(r"GET /users/: \d+ statements, \d+\.\d ms", first)
    assert first.split()[2] == str(len(statements))
    assert all(re.match(r" *\d+\.\d ms  [A-Z]", one) for one in statements)
    assert "FROM users" in entry
    assert "needle" not in entry
    assert "Server-Timing" not in answer.headers  # never in production


def test_without_the_setting_nothing_is_logged(fresh_app: Flask, portal_log: pytest.LogCaptureFixture) -> None:
    fresh_app.test_client().get("/login")
    fresh_app.test_client().get("/readyz")

    assert entries(portal_log) == []


def test_server_timing_is_only_for_super_admins(
    client: PageClient, other_client: PageClient, root: Person, ada: Person
) -> None:
    SignIn(client)(root)
    SignIn(other_client)(ada)

    timing = client.get("/users/").headers["Server-Timing"]

    assert re.fullmatch(r'db;dur=\d+\.\d;desc="\d+ statements"', timing)
    assert "Server-Timing" not in other_client.get("/users/").headers
    assert "Server-Timing" not in client.application.test_client().get("/login").headers
