"""RT9: an API token has its scopes until it expires, and never more permissions than its owner."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.history import Activity
from portal.core.keys import uuid7
from portal.tokens import personal
from portal.tokens.models import ApiToken
from portal.tokens.personal import PREFIX
from portal.users.commands import set_password, users
from portal.users.permissions import USERS_READ, USERS_WRITE
from portal.web.given import permissions
from portal.web.guards import PROFILE, PUBLIC, requires, rule_of, scope_of, scopes_in_use
from tests.acting import acting
from tests.api.calling import ME, Program
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import PageClient

PAGE = "/account/tokens/"
SHOWN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


def make(client: PageClient, *scopes: str, name: str = "Backup", days: str = "30") -> str:
    sent = {**client.form(PAGE, action=PAGE), "name": name, "days": days, "scopes": list(scopes) or [PROFILE]}
    page = client.post(PAGE, data=sent)
    assert page.status_code == 201, page.text
    (token,) = set(SHOWN.findall(page.text))
    return str(token)


@pytest.fixture
def program(app: Flask) -> Program:
    return Program(app)


def test_rt9_a_token_is_shown_once_and_only_its_digest_is_stored(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)
    token = make(client)

    assert SHOWN.findall(client.get(PAGE).text) == []
    assert token[: len(PREFIX) + 4] in client.get(PAGE).text
    with acting(app):
        stored = [
            str(db.session.execute(text("SELECT t::text FROM api_tokens t")).all()),
            str(db.session.execute(text("SELECT t::text FROM activity t")).all()),
        ]
    assert token not in "".join(stored)


def token_with(app: Flask, owner: Person, *scopes: str) -> str:
    """A token with scopes that no route requires yet, so that the page doesn't offer them."""
    with app.test_request_context(), acting(app, owner):
        token = personal.create("Later", scopes, timedelta(days=1), row_id=uuid7())
    assert token
    return token


def test_rt9_the_page_offers_exactly_the_scopes_that_routes_require(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person
) -> None:
    required = {
        scope_of(rule_of(app.view_functions[one.endpoint]))
        for one in app.url_map.iter_rules()
        if one.rule.startswith("/api/") and rule_of(app.view_functions[one.endpoint]) != PUBLIC
    }
    sign_in(root)

    assert set(re.findall(r'name="scopes" value="([^"]+)"', client.get(PAGE).text)) == required == {PROFILE}


def test_rt9_a_scope_is_offered_once_a_route_requires_it(app: Flask) -> None:
    extended = Flask("extended")
    extended.add_url_rule("/api/v9/people", "people", requires(USERS_READ)(lambda: ""))
    extended.add_url_rule("/people", "page", requires(USERS_WRITE)(lambda: ""))
    extended.view_functions["static"] = app.view_functions["static"]

    assert scopes_in_use(extended) == {USERS_READ.name}


def test_rt9_me_returns_the_roles_permissions_and_the_tokens_scopes(
    app: Flask, ada: Person, acme: Tenant, program: Program
) -> None:
    token = token_with(app, ada, PROFILE, USERS_READ.name)

    assert program.me(token).json == {
        "id": str(ada.id),
        "email": ada.email,
        "name": ada.name,
        "role": "ADMIN",
        "organization": {"id": str(acme.id), "name": "Acme"},
        "permissions": [name for name, one in sorted(permissions.of(app).items()) if Role.ADMIN in one.roles],
        "scopes": ["profile", "users:read"],
    }


def test_rt9_the_token_of_a_demoted_owner_loses_permissions_but_is_not_revoked(
    app: Flask, root: Person, ada: Person, program: Program
) -> None:
    token = token_with(app, ada, PROFILE, USERS_READ.name)
    with acting(app, root):
        users.update(ada.id, 1, {"role": Role.USER})

    me = program.me(token).json
    assert me is not None
    assert (me["role"], me["permissions"]) == ("USER", [])


def test_rt9_a_token_without_the_scope_is_refused(app: Flask, ada: Person, program: Program) -> None:
    answer = program.me(token_with(app, ada, USERS_READ.name))

    assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")  # type: ignore[index]
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_rt9_nobody_can_grant_a_token_more_than_their_own_permissions(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person
) -> None:
    sign_in(uma)
    wrongs: list[dict[str, Any]] = [
        {"scopes": [USERS_WRITE]}, {"scopes": []}, {"name": ""}, {"days": "366"},
    ]  # fmt: skip
    for wrong in wrongs:
        given = {"name": "x", "days": "7", "scopes": [PROFILE], **wrong}
        assert client.send(PAGE, given).status_code == 422

    with acting(app):
        assert db.session.scalars(select(ApiToken.id)).all() == []


def test_rt9_a_token_expires_after_a_year_at_most(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, program: Program
) -> None:
    sign_in(uma)
    token = make(client, days="365")
    with acting(app):
        until = db.session.scalar(select(ApiToken.expires_at))
    assert until is not None
    assert timedelta(days=364) < until - now() <= timedelta(days=365)

    with acting(app):
        command(db.session.execute)(update(ApiToken).values(expires_at=now()))
    assert program.me(token).status_code == 401
    assert "Backup" not in client.get(PAGE).text


def test_rt9_only_its_owner_can_revoke_a_token_and_both_changes_are_recorded(
    app: Flask,
    client: PageClient,
    other_client: PageClient,
    sign_in: SignIn,
    ada: Person,
    uma: Person,
    program: Program,
) -> None:
    sign_in(uma)
    sign_in(ada, other_client)
    token = make(client)
    with acting(app):
        address = f"{PAGE}{db.session.scalar(select(ApiToken.id))}/revoke"
    own = other_client.form("/account/")

    assert other_client.post(address, data=own).status_code == 404
    assert program.me(token).status_code == 200
    assert client.post(address, data=client.form(PAGE)).status_code == 303
    assert program.me(token).status_code == 401
    assert "revoked" in client.get(PAGE).text
    with acting(app):
        found = db.session.execute(select(Activity.action, Activity.actor_id).where(Activity.action.like("token%")))
        assert [tuple(row) for row in found] == [("token_created", uma.id), ("token_revoked", uma.id)]


def test_rt9_the_last_use_of_a_token_is_shown(
    client: PageClient, sign_in: SignIn, uma: Person, program: Program
) -> None:
    sign_in(uma)
    token = make(client)
    assert "Never used" in client.get(PAGE).text

    program.me(token)

    assert "Last used" in client.get(PAGE).text


def test_rt9_rt6_a_token_ends_with_a_new_password_deactivation_deletion_or_a_move(
    app: Flask, build: Builder, client: PageClient, sign_in: SignIn, root: Person, acme: Tenant, birch: Tenant,
    program: Program,
) -> None:  # fmt: skip
    changes: dict[str, Callable[[uuid.UUID], object]] = {
        "password": lambda one: set_password(one, "another horse battery staple"),
        "deactivation": lambda one: users.set_active(one, is_active=False),
        "deletion": users.delete,
        "move": lambda one: users.update(one, 1, {"organization_id": birch.id}),
    }
    for name, change in changes.items():
        person = build.person(f"{name}@example.com", tenant=acme)
        sign_in(person)
        token = make(client)
        assert program.me(token).status_code == 200
        with acting(app, root):
            change(person.id)
        assert program.me(token).status_code == 401, name
        client.delete_cookie("portal")


def test_rt10_a_token_does_not_open_pages_and_is_not_accepted_as_a_cookie(
    client: PageClient, other_client: PageClient, sign_in: SignIn, uma: Person
) -> None:
    sign_in(uma)
    token = make(client)

    answer = other_client.get("/account/", headers={"Authorization": f"Bearer {token}"})
    assert answer.headers["Location"].startswith("/login")
    assert other_client.get(ME, headers={"Cookie": f"portal={token}"}).status_code == 401


def test_submitting_the_form_twice_creates_one_token(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person
) -> None:
    sign_in(uma)
    sent = {**client.form(PAGE), "name": "Backup"}

    assert [client.post(PAGE, data=sent).status_code for _ in range(2)] == [201, 303]
    assert "was already created" in client.get(PAGE).text
    with acting(app):
        assert len(db.session.scalars(select(ApiToken.id)).all()) == 1


def test_the_number_of_tokens_per_person_is_limited(
    client: PageClient, sign_in: SignIn, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.tokens.personal.MOST", 2)
    sign_in(uma)
    for _ in range(2):
        make(client)

    full = client.post(PAGE, data={**client.form(PAGE, action=PAGE), "name": "One too many"})
    assert full.status_code == 422
    assert "You have 2 tokens" in full.text


def test_names_of_tokens_are_escaped(client: PageClient, sign_in: SignIn, uma: Person) -> None:
    sign_in(uma)
    make(client, name="<b>x</b>")

    assert "<b>x</b>" not in client.get(PAGE).text
