"""Every endpoint of the address map x who asks x plain or htmx x whose row: is the answer the one that stands here?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.history import Activity
from portal.organizations.models import Organization
from portal.tokens.commands import Lifetime, add_session
from portal.users.models import User
from tests.access.visitor import (
    CLASH,
    CREATED,
    DONE,
    GONE,
    NO,
    NO_JSON,
    PAGE,
    SIGN_IN,
    STRANGER,
    WRONG,
    Visitor,
    outcome,
    without_tokens,
)
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, Tenant

Row = tuple[str, str, str, str, str]
KINDS = ("own", "foreign", "deleted", "random", "hidden")
VISITORS = ("anonymous", "user", "admin", "super")
PUBLIC = (PAGE, PAGE, PAGE, PAGE)
NEVER_USER = (SIGN_IN, NO)
HOUR = Lifetime(timedelta(hours=1), timedelta(hours=1))


@dataclass(frozen=True)
class Rule:
    """The expected outcome for each visitor; for rows a tuple, one outcome for each kind of row."""

    anonymous: str
    user: str
    admin: str | Row
    super: str | Row

    def of(self, visitor: str, kind: str) -> str:
        expected: str | Row = getattr(self, visitor)
        return expected if isinstance(expected, str) else expected[KINDS.index(kind)]


def row(admin: Row | str, everything: Row) -> Rule:
    return Rule(SIGN_IN, NO, admin, everything)


#                        own    foreign deleted random hidden
ADMIN_READS = (PAGE, GONE, PAGE, GONE, GONE)
ADMIN_ASKED = (PAGE, GONE, GONE, GONE, GONE)
ADMIN_WRITES = (DONE, GONE, GONE, GONE, GONE)
ADMIN_RESTORES = (DONE, GONE, DONE, GONE, GONE)
SUPER_READS = (PAGE, PAGE, PAGE, GONE, PAGE)
SUPER_ASKED = (PAGE, PAGE, GONE, GONE, PAGE)
SUPER_WRITES = (DONE, DONE, GONE, GONE, DONE)
SUPER_RESTORES = (DONE, DONE, DONE, GONE, DONE)
# Whoever has a password has nothing to accept; what invitations do is in tests/users/test_invitations.py.
ADMIN_CLASHES = (CLASH, GONE, GONE, GONE, GONE)
SUPER_CLASHES = (CLASH, CLASH, GONE, GONE, CLASH)
TENANT_READ = (PAGE, GONE, GONE, GONE, GONE)

# Without a link in the cookie; with one: tests/auth/test_redeeming.py.
NO_LINK = Rule("410", "410", "410", "410")

EXPECTED: dict[tuple[str, str], Rule] = {
    ("static", "GET"): Rule(*PUBLIC),
    ("health.live", "GET"): Rule(*PUBLIC),
    ("health.ready", "GET"): Rule(*PUBLIC),
    ("health.metrics", "GET"): Rule(GONE, GONE, GONE, GONE),
    ("theme.choose", "POST"): Rule(DONE, DONE, DONE, DONE),
    ("auth.login", "GET"): Rule(PAGE, DONE, DONE, DONE),
    ("auth.login", "POST"): Rule(DONE, DONE, DONE, DONE),
    ("auth.change_password", "GET"): Rule(DONE, DONE, DONE, DONE),
    ("auth.logout", "POST"): Rule(SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN),
    ("auth.forgotten", "GET"): Rule(*PUBLIC),
    ("auth.forgotten", "POST"): Rule(SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN),
    ("links.invitation", "GET"): Rule(DONE, DONE, DONE, DONE),
    ("links.reset_link", "GET"): Rule(DONE, DONE, DONE, DONE),
    ("links.verification", "GET"): Rule(DONE, DONE, DONE, DONE),
    **{(f"links.{what}", method): NO_LINK for what in ("accept", "reset", "verify") for method in ("GET", "POST")},
    ("mail.index", "GET"): Rule(*NEVER_USER, NO, PAGE),
    ("account.email", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.email", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("account.verification", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("account.cancellation", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("auth.two_factor", "GET"): Rule(SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN),
    ("auth.two_factor", "POST"): Rule(SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN),
    ("auth.passkey", "POST"): Rule(WRONG, WRONG, WRONG, WRONG),
    ("account.index", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.index", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("account.password", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.password", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("account.devices", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.end_session", "POST"): Rule(SIGN_IN, GONE, GONE, GONE),  # of a sign-in that is none of theirs
    ("account.end_others", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("mfa.index", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("mfa.app", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("mfa.app", "POST"): Rule(SIGN_IN, PAGE, PAGE, PAGE),  # what was not sealed here begins anew
    ("mfa.passkey", "POST"): Rule(SIGN_IN, WRONG, WRONG, WRONG),
    ("mfa.recovery_codes", "POST"): Rule(SIGN_IN, GONE, GONE, GONE),  # there is nothing to recover yet
    ("mfa.remove", "GET"): Rule(SIGN_IN, GONE, GONE, GONE),
    ("mfa.remove", "POST"): Rule(SIGN_IN, GONE, GONE, GONE),
    ("account.strength", "POST"): Rule(*PUBLIC),
    ("dashboard.index", "GET"): Rule(SIGN_IN, DONE, PAGE, PAGE),
    ("organizations.index", "GET"): Rule(*NEVER_USER, NO, PAGE),
    ("organizations.options", "GET"): Rule(*NEVER_USER, NO, PAGE),
    ("organizations.new", "GET"): Rule(*NEVER_USER, NO, PAGE),
    ("organizations.new", "POST"): Rule(*NEVER_USER, NO, DONE),
    ("organizations.show", "GET"): row(TENANT_READ, SUPER_READS),
    ("organizations.edit", "GET"): row(ADMIN_ASKED, (PAGE, PAGE, DONE, GONE, PAGE)),
    ("organizations.edit", "POST"): row(ADMIN_WRITES, SUPER_RESTORES),
    ("organizations.delete", "GET"): row(NO, SUPER_ASKED),
    ("organizations.delete", "POST"): row(NO, SUPER_WRITES),
    ("organizations.restore", "POST"): row(NO, SUPER_RESTORES),
    ("users.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.new", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.new", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("users.show", "GET"): row(ADMIN_READS, SUPER_READS),
    ("users.edit", "GET"): row((PAGE, GONE, DONE, GONE, GONE), (PAGE, PAGE, DONE, GONE, PAGE)),
    ("users.edit", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    ("users.deactivation", "GET"): row(ADMIN_ASKED, SUPER_ASKED),
    ("users.deactivation", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.password_reset", "GET"): row(ADMIN_ASKED, SUPER_ASKED),
    ("users.password_reset", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.invitation", "POST"): row(ADMIN_CLASHES, SUPER_CLASHES),
    ("users.revocation", "GET"): row(ADMIN_CLASHES, SUPER_CLASHES),
    ("users.revocation", "POST"): row(ADMIN_CLASHES, SUPER_CLASHES),
    ("users.invitation_link", "POST"): row(ADMIN_CLASHES, SUPER_CLASHES),
    ("users.verification", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.cancellation", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.mfa_reset", "GET"): row(ADMIN_ASKED, SUPER_ASKED),
    ("users.mfa_reset", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.unlock", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.end_session", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.end_sessions", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.delete", "GET"): row(ADMIN_ASKED, SUPER_ASKED),
    ("users.delete", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.restore", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
}

EXPECTED |= {
    ("activity.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("activity.export", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("activity.show", "GET"): row((PAGE, GONE, PAGE, GONE, GONE), SUPER_READS),
    ("activity.person", "GET"): EXPECTED["users.show", "GET"],
    ("activity.organization", "GET"): EXPECTED["organizations.show", "GET"],
    ("activity.undo_person", "POST"): EXPECTED["users.restore", "POST"],  # of the deleted it says: restore first
    ("activity.undo_organization", "POST"): row(ADMIN_WRITES, SUPER_RESTORES),
}

EXPECTED |= {
    ("tokens.index", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("tokens.index", "POST"): Rule(SIGN_IN, CREATED, CREATED, CREATED),
    ("tokens.revoke", "POST"): Rule(SIGN_IN, *(GONE,) * 3),  # the keys that are tried are of people
}

EXPECTED |= {
    ("data_browser.index", "GET"): Rule(*NEVER_USER, NO, PAGE),
    ("data_browser.show", "GET"): Rule(*NEVER_USER, NO, PAGE),
    ("data_browser.row", "GET"): Rule(*NEVER_USER, NO, GONE),  # no key is given
    ("data_browser.copy", "GET"): Rule(*NEVER_USER, NO, GONE),
    ("data_browser.sql", "GET"): Rule(*NEVER_USER, NO, PAGE),
    ("data_browser.query", "POST"): Rule(SIGN_IN, NO, NO, PAGE),
}

# Cookies count for nothing here: every visitor of pages is a stranger, whose forms are no JSON.
EXPECTED |= {
    ("api.login", "POST"): Rule(*(NO_JSON,) * 4),
    ("api.refresh", "POST"): Rule(*(NO_JSON,) * 4),
    ("api.logout", "POST"): Rule(*(NO_JSON,) * 4),
    ("api.me", "GET"): Rule(*(STRANGER,) * 4),
    ("api.openapi", "GET"): Rule(*PUBLIC),
}

EXEMPT_METHODS = {"HEAD", "OPTIONS"}


@dataclass
class World:
    """Two tenants, somebody of each role, and rows to try things on."""

    app: Flask
    build: Builder
    acme: Tenant
    birch: Tenant
    people: Mapping[str, Person | None]

    def visitor(self, name: str) -> Visitor:
        return Visitor(self.app, self.people[name])

    def row_of(self, endpoint: str, kind: str) -> uuid.UUID:
        """A fresh row of that kind, seen from Acme."""
        if kind == "random":
            return uuid.uuid4()
        if "organization" in endpoint:
            return self._organization(kind)
        return self._act(kind) if endpoint == "activity.show" else self._person(kind)

    def _person(self, kind: str) -> uuid.UUID:
        email = f"{kind}-{uuid.uuid4().hex}@example.com"
        gone = now() if kind == "deleted" else None
        role = Role.SUPER_ADMIN if kind == "hidden" else Role.USER
        tenant = self.birch if kind == "foreign" else self.acme
        return self.build.person(email, role=role, tenant=tenant, deleted_at=gone).id

    def _act(self, kind: str) -> uuid.UUID:
        """The event that created a person of that kind."""
        made = select(Activity.operation_id).where(Activity.row_id == self._person(kind))
        with acting(self.app):
            return db.session.scalars(made).one()

    def _organization(self, kind: str) -> uuid.UUID:
        if kind == "own":
            return self.acme.id
        gone = now() if kind == "deleted" else None
        return self.build.tenant(f"Tenant {uuid.uuid4().hex}", deleted_at=gone).id


@pytest.fixture
def world(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, uma: Person, ada: Person, bea: Person, root: Person
) -> World:
    return World(app, build, acme, birch, {"anonymous": None, "user": uma, "admin": ada, "super": root})


def _profile(_world: World, _key: uuid.UUID) -> dict[str, Any]:
    return {"first_name": "Ada", "last_name": "Lovelace", "time_zone": "Europe/London"}


def _edited_person(world: World, key: uuid.UUID) -> dict[str, Any]:
    """Another role would be asked about first: tests/users/test_consequences.py."""
    with acting(world.app):
        role = db.session.scalar(select(User.role).where(User.id == key)) or Role.USER
    return {"email": f"{key.hex}@example.com", "role": role.name, "is_active": "true", **_version(world, key)}


def _edited_organization(_world: World, key: uuid.UUID) -> dict[str, Any]:
    return {"name": "Renamed", "slug": f"renamed-{key.hex}", "version": "1"}


def _changed_name(model: type[User] | type[Organization], column: str) -> Callable[[World, uuid.UUID], dict[str, Any]]:
    """Change a row, deleted ones too, for somebody to undo."""

    @command
    def change(key: uuid.UUID) -> None:
        for row in db.session.scalars(select(model).where(model.id == key), execution_options={"with_deleted": True}):
            setattr(row, column, f"Changed {uuid.uuid4().hex}")

    def body(world: World, key: uuid.UUID) -> dict[str, Any]:
        with acting(world.app):
            change(key)
        row = world.build.read(model, key)
        return {"version": str(row.version) if row else "2"}

    return body


def _version(_world: World, _key: uuid.UUID) -> dict[str, Any]:
    return {"version": "1", "base": "{}"}


def _sign_in(world: World, _key: uuid.UUID) -> dict[str, Any]:
    ada = world.people["admin"]
    assert ada is not None
    return {"email": ada.email, "password": ada.password}


def _new_password(_world: World, _key: uuid.UUID) -> dict[str, Any]:
    return {"current_password": "correct horse battery staple", "password": "another horse battery staple"}


def _session_of(world: World, key: uuid.UUID) -> dict[str, Any]:
    """A sign-in of the person who is asked for; of a third one where there is none."""
    person = key if world.build.read(User, key) else world.build.person(f"{key.hex}@example.com").id
    with acting(world.app):
        return {"session": command(add_session)(person, None, lifetime=HOUR, token=key.hex)}


BODIES: dict[str, Callable[[World, uuid.UUID], dict[str, Any]]] = {
    "auth.login": _sign_in,
    "account.index": _profile,
    "account.password": _new_password,
    "account.email": lambda _world, key: {"email": f"{key.hex}@example.com", "current_password": PASSWORD},
    "auth.forgotten": lambda _world, key: {"email": f"{key.hex}@example.com"},
    "links.accept": lambda _world, _key: {"password": "another horse battery staple"},
    "links.reset": lambda _world, _key: {"password": "another horse battery staple"},
    "account.end_session": _session_of,
    "users.end_session": _session_of,
    "organizations.new": lambda _world, key: {"name": "Fresh", "slug": f"fresh-{key.hex}"},
    "organizations.edit": _edited_organization,
    "users.new": lambda _world, key: {"email": f"{key.hex}@example.com", "role": "USER", "is_active": "true"},
    "users.edit": _edited_person,
    "activity.undo_person": _changed_name(User, "first_name"),
    "activity.undo_organization": _changed_name(Organization, "name"),
    "tokens.index": lambda _world, key: {"name": f"For {key.hex}", "days": "7", "scopes": ["profile"]},
    "data_browser.query": lambda _world, _key: {"query": "SELECT 1"},
    "theme.choose": lambda _world, _key: {"theme": "dark", "next": "/account/"},
}


LINKS = {f"links.{name}": {"token": "made-up"} for name in ("invitation", "reset_link", "verification")}
LINKS |= {f"data_browser.{name}": {"table": "users"} for name in ("show", "row", "copy")}


def address(app: Flask, endpoint: str, key: uuid.UUID | None) -> str:
    values: dict[str, Any] = {"static": {"filename": "css/layout.css"}, **LINKS}.get(endpoint, {})
    if key is not None:
        values["id"] = key
    with app.test_request_context():
        return str(app.url_for(endpoint, **values))


def has_row(app: Flask, endpoint: str) -> bool:
    return any("id" in rule.arguments for rule in app.url_map.iter_rules(endpoint))


def body_of(world: World, endpoint: str, key: uuid.UUID) -> dict[str, Any]:
    make = BODIES.get(endpoint)
    return make(world, key) if make else {}


def test_ac1_every_route_and_method_of_the_address_map_stands_in_the_table(app: Flask) -> None:
    routes = {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - EXEMPT_METHODS
    }

    assert routes == set(EXPECTED)


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize("visitor", VISITORS)
@pytest.mark.parametrize(("endpoint", "method"), EXPECTED, ids=[f"{name}-{method}" for name, method in EXPECTED])
def test_ac1_ac2_each_endpoint_answers_each_visitor_as_the_table_says(
    world: World, endpoint: str, method: str, visitor: str, *, htmx: bool
) -> None:
    rule = EXPECTED[endpoint, method]
    with_row = has_row(world.app, endpoint)

    browser = world.visitor(visitor)
    for kind in KINDS if with_row else KINDS[:1]:
        key = world.row_of(endpoint, kind) if with_row else uuid.uuid4()
        path = address(world.app, endpoint, key if with_row else None)
        answer = browser.ask(method, path, body_of(world, endpoint, key), htmx=htmx)
        assert outcome(answer) == rule.of(visitor, kind), f"{kind}: {answer.text[:600]}"


ROW_ROUTES = [(endpoint, method) for (endpoint, method), rule in EXPECTED.items() if isinstance(rule.admin, tuple)]


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize(("endpoint", "method"), ROW_ROUTES, ids=[f"{name}-{method}" for name, method in ROW_ROUTES])
def test_ac2_a_foreign_row_and_one_that_never_was_give_the_same_answer(
    world: World, endpoint: str, method: str, *, htmx: bool
) -> None:
    browser = world.visitor("admin")
    answers = []
    for kind in ("foreign", "random", "hidden"):
        key = world.row_of(endpoint, kind)
        answer = browser.ask(method, address(world.app, endpoint, key), body_of(world, endpoint, key), htmx=htmx)
        status, headers, text = without_tokens(answer)
        answers.append((status, headers, text.replace(str(key), "KEY")))

    assert answers[0][0] == 404
    assert answers[0] == answers[1] == answers[2]


GETS = [endpoint for endpoint, method in EXPECTED if method == "GET"]


@pytest.mark.parametrize("visitor", ["anonymous", "user", "admin"])
def test_ac16_head_and_other_ways_to_write_an_address_get_no_other_rule(world: World, visitor: str) -> None:
    browser = world.visitor(visitor)

    for endpoint in GETS:
        with_row = has_row(world.app, endpoint)
        path = address(world.app, endpoint, world.row_of(endpoint, "foreign") if with_row else None)
        plain = outcome(browser.get(path))
        assert outcome(browser.client.head(path)) == plain, path
        if plain in (SIGN_IN, NO, GONE):
            for variant in (
                path.rstrip("/"),
                path + "/",
                "/" + path,
                path.upper(),
                path + "//",
                path + "/.",
                path + " ",
            ):
                answer = browser.client.get("/", environ_overrides={"PATH_INFO": variant, "REQUEST_URI": variant})
                assert answer.status_code in (303, 308, 400, 403, 404), variant
            options = browser.client.options(path)
            assert options.status_code != 200 or not options.text, path


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_ac16_a_method_override_deletes_nothing(world: World, header: str) -> None:
    browser = world.visitor("admin")
    key = world.row_of("users.show", "own")

    browser.get(f"/users/{key}", headers={header: "DELETE"})
    browser.post(f"/users/{key}/edit", {"_method": "DELETE"}, headers={header: "DELETE"})

    assert browser.get(f"/users/{key}/edit").status_code == 200
    assert browser.client.delete(f"/users/{key}").status_code == 405
    assert browser.client.put(f"/users/{key}").status_code == 405


def test_ac16_cs2_head_never_acts(world: World) -> None:
    browser = world.visitor("super")

    for endpoint, method in EXPECTED:
        if method != "POST" or not has_row(world.app, endpoint):
            continue
        key = world.row_of(endpoint, "foreign")
        browser.client.head(address(world.app, endpoint, key), data={"csrf_token": browser.token})
        shown = "organizations" if "organization" in endpoint else "users"
        assert browser.get(f"/{shown}/{key}/edit").status_code == 200, endpoint
