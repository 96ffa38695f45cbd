"""Every route as every visitor, plain and through htmx, with every kind of row."""

from __future__ import annotations

import uuid
from importlib import import_module
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.history import Activity
from portal.features import RESOURCES
from portal.users.models import User
from tests.access.rules import KINDS, NEVER_USER, PUBLIC, SUPER_READS, VISITORS, Body, Rule, World, changed, row
from tests.access.visitor import (
    CREATED,
    DONE,
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    PAGE,
    SIGN_IN,
    UNAUTHORIZED,
    UNSUPPORTED,
    outcome,
    without_tokens,
)
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.users.matrix import session_body

# Without a link in the cookie. With one: tests/auth/test_redeeming.py.
NO_LINK = Rule("410", "410", "410", "410")

VIEWED = (
    (PAGE, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND),
    (PAGE, PAGE, NOT_FOUND, NOT_FOUND, FORBIDDEN),
)

EXPECTED: dict[tuple[str, str], Rule] = {
    ("static", "GET"): Rule(*PUBLIC),
    ("health.live", "GET"): Rule(*PUBLIC),
    ("health.ready", "GET"): Rule(*PUBLIC),
    ("health.metrics", "GET"): Rule(NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND),
    ("theme.choose", "POST"): Rule(DONE, DONE, DONE, DONE),
    ("auth.login", "GET"): Rule(PAGE, DONE, DONE, DONE),
    ("auth.login", "POST"): Rule(DONE, DONE, DONE, DONE),
    ("auth.change_password", "GET"): Rule(DONE, DONE, DONE, DONE),
    ("auth.logout", "POST"): Rule(SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN),
    ("auth.forgotten", "GET"): Rule(*PUBLIC),
    ("auth.forgotten", "POST"): Rule(SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN),
    # Without a reason, so that it doesn't begin: tests/auth/test_viewing.py.
    ("viewing.begin", "GET"): row(VIEWED[0], VIEWED[1]),
    ("viewing.begin", "POST"): row((INVALID, *VIEWED[0][1:]), (INVALID, INVALID, *VIEWED[1][2:])),
    ("viewing.stop", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("links.invitation", "GET"): Rule(DONE, DONE, DONE, DONE),
    ("links.reset_link", "GET"): Rule(DONE, DONE, DONE, DONE),
    ("links.verification", "GET"): Rule(DONE, DONE, DONE, DONE),
    **{(f"links.{what}", method): NO_LINK for what in ("accept", "reset", "verify") for method in ("GET", "POST")},
    ("mail.index", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("mail.failed", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("account.email", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.email", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("account.verification", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("account.cancellation", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("auth.two_factor", "GET"): Rule(SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN),
    ("auth.two_factor", "POST"): Rule(SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN),
    ("auth.passkey", "POST"): Rule(INVALID, INVALID, INVALID, INVALID),
    ("account.index", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.index", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("account.password", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.password", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("account.data", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.devices", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("account.end_session", "POST"): Rule(SIGN_IN, NOT_FOUND, NOT_FOUND, NOT_FOUND),  # somebody else's session
    ("account.end_others", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
    ("mfa.index", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("mfa.app", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("mfa.app", "POST"): Rule(SIGN_IN, PAGE, PAGE, PAGE),  # a secret that wasn't issued here starts over
    ("mfa.passkey", "POST"): Rule(SIGN_IN, INVALID, INVALID, INVALID),
    ("mfa.recovery_codes", "POST"): Rule(SIGN_IN, NOT_FOUND, NOT_FOUND, NOT_FOUND),  # two-factor authentication is off
    ("mfa.remove", "GET"): Rule(SIGN_IN, NOT_FOUND, NOT_FOUND, NOT_FOUND),
    ("mfa.remove", "POST"): Rule(SIGN_IN, NOT_FOUND, NOT_FOUND, NOT_FOUND),
    ("account.strength", "POST"): Rule(*PUBLIC),
    ("reports.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("dashboard.index", "GET"): Rule(SIGN_IN, DONE, PAGE, PAGE),
}

EXPECTED |= {
    ("follows.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("follows.stop", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("unsubscribing.unsubscribe", "GET"): Rule(*(NOT_FOUND,) * 4),  # tested in tests/activity/test_digests.py
    ("unsubscribing.unsubscribe", "POST"): Rule(*(NOT_FOUND,) * 4),
    ("activity.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("activity.export", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("activity.arrange", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("activity.arrange", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("activity.show", "GET"): row((PAGE, NOT_FOUND, PAGE, NOT_FOUND, NOT_FOUND), SUPER_READS),
    ("activity.undo", "POST"): row((PAGE, NOT_FOUND, PAGE, NOT_FOUND, NOT_FOUND), SUPER_READS),
}

EXPECTED |= {
    ("imports.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("imports.invite", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("imports.invite", "POST"): Rule(SIGN_IN, FORBIDDEN, INVALID, INVALID),  # nothing is sent
    ("imports.upload", "POST"): Rule(SIGN_IN, FORBIDDEN, INVALID, INVALID),  # nothing is sent
    ("imports.show", "GET"): Rule(*NEVER_USER, NOT_FOUND, NOT_FOUND),  # the ids are those of people: tests/imports
    ("imports.refused", "GET"): Rule(*NEVER_USER, NOT_FOUND, NOT_FOUND),
    ("imports.settings", "POST"): Rule(SIGN_IN, FORBIDDEN, NOT_FOUND, NOT_FOUND),
    ("imports.start", "POST"): Rule(SIGN_IN, FORBIDDEN, NOT_FOUND, NOT_FOUND),
    ("imports.undo", "POST"): Rule(SIGN_IN, FORBIDDEN, NOT_FOUND, NOT_FOUND),
    ("jobs.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("jobs.show", "GET"): Rule(*NEVER_USER, NOT_FOUND, NOT_FOUND),  # the ids are those of people: tests/jobs
    ("jobs.cancel", "POST"): Rule(SIGN_IN, FORBIDDEN, NOT_FOUND, NOT_FOUND),
    ("jobs.retry", "POST"): Rule(SIGN_IN, FORBIDDEN, NOT_FOUND, NOT_FOUND),
}

EXPECTED |= {
    ("brand.index", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("brand.preview", "POST"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("brand.save", "POST"): Rule(SIGN_IN, FORBIDDEN, FORBIDDEN, DONE),
    ("brand.restore", "POST"): Rule(SIGN_IN, FORBIDDEN, FORBIDDEN, DONE),
}

EXPECTED |= {
    ("search.index", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("search.dialog", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("search.shortcuts", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("search.switch", "POST"): Rule(SIGN_IN, DONE, DONE, DONE),
}

EXPECTED |= {
    ("tokens.index", "GET"): Rule(SIGN_IN, PAGE, PAGE, PAGE),
    ("tokens.index", "POST"): Rule(SIGN_IN, CREATED, CREATED, CREATED),
    ("tokens.revoke", "POST"): Rule(SIGN_IN, *(NOT_FOUND,) * 3),  # the ids are those of people
}

EXPECTED |= {
    ("data_browser.index", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("data_browser.show", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("data_browser.row", "GET"): Rule(*NEVER_USER, FORBIDDEN, NOT_FOUND),  # without a key
    ("data_browser.copy", "GET"): Rule(*NEVER_USER, FORBIDDEN, NOT_FOUND),
    ("data_browser.sql", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("data_browser.query", "POST"): Rule(SIGN_IN, FORBIDDEN, FORBIDDEN, PAGE),
}

# Under /api/ cookies don't count: every visitor is unauthenticated and sends a form instead of JSON.
EXPECTED |= {
    ("api.login", "POST"): Rule(*(UNSUPPORTED,) * 4),
    ("api.refresh", "POST"): Rule(*(UNSUPPORTED,) * 4),
    ("api.logout", "POST"): Rule(*(UNSUPPORTED,) * 4),
    ("api.me", "GET"): Rule(*(UNAUTHORIZED,) * 4),
    ("api.openapi", "GET"): Rule(*PUBLIC),
}

MATRICES = {name: import_module(f"tests.{name}.matrix") for name in RESOURCES}
for matrix in MATRICES.values():
    EXPECTED |= matrix.RULES

EXEMPT_METHODS = {"HEAD", "OPTIONS"}


@pytest.fixture
def world(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, uma: Person, ada: Person, bea: Person, root: Person
) -> World:
    return World(app, build, acme, birch, {"anonymous": None, "user": uma, "admin": ada, "super": root})


def _profile(_world: World, _key: uuid.UUID) -> dict[str, Any]:
    return {"first_name": "Ada", "last_name": "Lovelace", "time_zone": "Europe/London"}


def _sign_in(world: World, _key: uuid.UUID) -> dict[str, Any]:
    ada = world.people["admin"]
    assert ada is not None
    return {"email": ada.email, "password": ada.password}


def _new_password(_world: World, _key: uuid.UUID) -> dict[str, Any]:
    return {"current_password": "correct horse battery staple", "password": "another horse battery staple"}


BODIES: dict[str, Body] = {
    "auth.login": _sign_in,
    "account.index": _profile,
    "account.password": _new_password,
    "account.email": lambda _world, key: {"email": f"{key.hex}@example.com", "current_password": PASSWORD},
    "auth.forgotten": lambda _world, key: {"email": f"{key.hex}@example.com"},
    "links.accept": lambda _world, _key: {"password": "another horse battery staple"},
    "links.reset": lambda _world, _key: {"password": "another horse battery staple"},
    "account.end_session": session_body,
    "tokens.index": lambda _world, key: {"name": f"For {key.hex}", "days": "7", "scopes": ["profile"]},
    "data_browser.query": lambda _world, _key: {"query": "SELECT 1"},
    "brand.save": lambda *_: {"name": "Acme Console", "version": "0"},
    "brand.restore": lambda *_: {"version": "0"},
    "theme.choose": lambda _world, _key: {"theme": "dark", "next": "/account/"},
}


for matrix in MATRICES.values():
    BODIES |= matrix.BODIES


def row_of(world: World, endpoint: str, kind: str) -> uuid.UUID:
    """A new row of this kind, from Acme's point of view."""
    if kind == "random":
        return uuid.uuid4()
    if endpoint.startswith("activity."):
        return _operation(world, kind)
    owners = [one for one in MATRICES.values() if any(endpoint == name for name, _ in one.RULES)]
    owner = owners[0] if owners else MATRICES["users"]
    key: uuid.UUID = getattr(owner, "ROWS", {}).get(endpoint, owner.row_of)(world, kind)
    return key


def _operation(world: World, kind: str) -> uuid.UUID:
    """The operation that changed a person of this kind."""
    key = MATRICES["users"].row_of(world, kind)
    made = select(Activity.operation_id).where(Activity.row_id == key, Activity.action == "update")
    changed(User, "first_name")(world, key)
    with acting(world.app):
        return db.session.scalars(made).one()


LINKED = ("links.invitation", "links.reset_link", "links.verification", "unsubscribing.unsubscribe")
LINKS = {name: {"token": "made-up"} for name in LINKED}
LINKS["organization_slugs.show"] = {"slug": "acme"}
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


def test_ac1_every_route_and_method_is_in_the_table(app: Flask) -> None:
    routes = {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - EXEMPT_METHODS
    }

    assert routes == set(EXPECTED)


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize("visitor", VISITORS)
@pytest.mark.parametrize(("endpoint", "method"), EXPECTED, ids=[f"{name}-{method}" for name, method in EXPECTED])
def test_ac1_ac2_every_endpoint_answers_each_visitor_as_in_the_table(
    world: World, endpoint: str, method: str, visitor: str, *, htmx: bool
) -> None:
    rule = EXPECTED[endpoint, method]
    with_row = has_row(world.app, endpoint)

    browser = world.visitor(visitor)
    for kind in KINDS if with_row else KINDS[:1]:
        key = row_of(world, endpoint, kind) if with_row else uuid.uuid4()
        path = address(world.app, endpoint, key if with_row else None)
        answer = browser.request(method, path, body_of(world, endpoint, key), htmx=htmx)
        assert outcome(answer) == rule.of(visitor, kind), f"{kind}: {answer.text[:600]}"


ROW_ROUTES = [(endpoint, method) for (endpoint, method), rule in EXPECTED.items() if isinstance(rule.admin, tuple)]


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize(("endpoint", "method"), ROW_ROUTES, ids=[f"{name}-{method}" for name, method in ROW_ROUTES])
def test_ac2_foreign_and_nonexistent_rows_give_the_same_response(
    world: World, endpoint: str, method: str, *, htmx: bool
) -> None:
    browser = world.visitor("admin")
    answers = []
    for kind in ("foreign", "random", "hidden"):
        key = row_of(world, endpoint, kind)
        answer = browser.request(method, address(world.app, endpoint, key), body_of(world, endpoint, key), htmx=htmx)
        status, headers, text = without_tokens(answer)
        answers.append((status, headers, text.replace(str(key), "KEY")))

    assert answers[0][0] == 404
    assert answers[0] == answers[1] == answers[2]


GETS = [endpoint for endpoint, method in EXPECTED if method == "GET"]


@pytest.mark.parametrize("visitor", ["anonymous", "user", "admin"])
def test_ac16_head_requests_and_unusual_paths_follow_the_same_rules(world: World, visitor: str) -> None:
    browser = world.visitor(visitor)

    for endpoint in GETS:
        with_row = has_row(world.app, endpoint)
        path = address(world.app, endpoint, row_of(world, endpoint, "foreign") if with_row else None)
        plain = outcome(browser.get(path))
        assert outcome(browser.client.head(path)) == plain, path
        if plain in (SIGN_IN, FORBIDDEN, NOT_FOUND):
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
def test_ac16_method_overrides_are_ignored(world: World, header: str) -> None:
    browser = world.visitor("admin")
    key = row_of(world, "users.show", "own")

    browser.get(f"/users/{key}", headers={header: "DELETE"})
    browser.post(f"/users/{key}/edit", {"_method": "DELETE"}, headers={header: "DELETE"})

    assert browser.get(f"/users/{key}/edit").status_code == 200
    assert browser.client.delete(f"/users/{key}").status_code == 405
    assert browser.client.put(f"/users/{key}").status_code == 405


def test_ac16_cs2_head_requests_change_nothing(world: World) -> None:
    browser = world.visitor("super")

    for endpoint, method in EXPECTED:
        if method != "POST" or not has_row(world.app, endpoint):
            continue
        key = row_of(world, endpoint, "foreign")
        browser.client.head(address(world.app, endpoint, key), data={"csrf_token": browser.token})
        if endpoint == "activity.undo":  # of an operation, which has no form
            continue
        place = endpoint.replace("_activity.", ".")
        named = (name for name in RESOURCES if f"{name}." in place or f".{name}_" in place)
        owned = (name for name, one in MATRICES.items() if (endpoint, method) in one.RULES)
        shown = next(named, next(owned, "users"))
        assert browser.get(f"/{shown}/{key}/edit").status_code == 200, endpoint
