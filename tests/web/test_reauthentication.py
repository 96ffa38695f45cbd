"""Somebody at another person's open browser cannot change anything sensitive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from portal.core.actor import Role
from portal.users.commands import users
from portal.users.models import User
from tests.access.visitor import SIGN_IN, Visitor, outcome
from tests.acting import acting, age_authentication, portal_on
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.database import disconnect
from tests.pages import HTMX, PageClient, fields_of

PASSWORD_PROMPT = "Your password"
WRONG = "Wrong password. Try again."
SENSITIVE = pytest.mark.parametrize(
    "changed", [{"role": "ADMIN"}, {"email": "other@example.com"}], ids=["role", "email"]
)


@pytest.fixture
def stale(app: Flask, client: PageClient, sign_in: SignIn, ada: Person) -> PageClient:
    """Ada's browser, a while after she signed in."""
    sign_in(ada)
    with acting(app):
        age_authentication(ada)
    return client


def state_of(build: Builder, person: Person) -> tuple[str, Role, str]:
    row = build.read(User, person.id)
    return row.pending_email or row.email, row.role, row.first_name


@SENSITIVE
def test_se10_an_old_session_cannot_change_role_or_email_without_the_password(
    stale: PageClient, build: Builder, uma: Person, changed: dict[str, str]
) -> None:
    before = state_of(build, uma)
    path = f"/users/{uma.id}/edit"
    assert PASSWORD_PROMPT not in stale.get(path).text

    question = stale.send(path, {**changed, "first_name": "Ursula"})
    kept = fields_of(question.text)
    wrong = stale.post(path, data={**kept, "own_password": PASSWORD.upper()})

    assert (question.status_code, wrong.status_code) == (422, 422)
    assert PASSWORD_PROMPT in question.text
    assert WRONG in wrong.text
    assert kept.items() >= {**changed, "first_name": "Ursula"}.items()
    assert fields_of(wrong.text).items() >= {**changed, "first_name": "Ursula", "own_password": ""}.items()
    assert state_of(build, uma) == before


@SENSITIVE
def test_se10_after_entering_the_password_it_is_not_requested_for_a_while(
    app: Flask, stale: PageClient, build: Builder, ada: Person, uma: Person, changed: dict[str, str]
) -> None:
    path = f"/users/{uma.id}/edit"
    kept = fields_of(stale.send(path, {**changed, "first_name": "Ursula"}).text)

    assert stale.post(path, data={**kept, "own_password": PASSWORD}).status_code == 303
    after = state_of(build, uma)
    assert after[2] == "Ursula"
    assert changed.get("email", uma.email) == after[0]
    assert stale.confirm(stale.send(path, {"role": "USER", "email": "third@example.com"})).status_code == 303
    with acting(app):
        age_authentication(ada)
    assert stale.send(path, {"email": "fourth@example.com"}).status_code == 422


def test_se10_other_changes_need_no_password(stale: PageClient, build: Builder, uma: Person) -> None:
    assert stale.send(f"/users/{uma.id}/edit", {"first_name": "Ursula"}).status_code == 303
    assert stale.send("/account/", {"first_name": "Adele"}).status_code == 303
    assert state_of(build, uma)[2] == "Ursula"


@SENSITIVE
def test_se10_a_fresh_session_needs_no_password(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person, changed: dict[str, str]
) -> None:
    sign_in(ada)
    with acting(app):
        age_authentication(ada, minutes=14)

    assert client.confirm(client.send(f"/users/{uma.id}/edit", changed)).status_code == 303


def test_se10_entering_the_password_does_not_count_on_another_device(
    app: Flask, stale: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada, other_client)
    with acting(app):
        age_authentication(ada)
    path = f"/users/{uma.id}/edit"

    kept = fields_of(stale.send(path, {"role": "ADMIN"}).text)
    assert stale.post(path, data={**kept, "own_password": PASSWORD}).status_code == 303

    assert other_client.send(path, {"role": "USER"}).status_code == 422


@pytest.mark.parametrize("action", ["password", "unlock"])
def test_se10_a_sensitive_button_asks_for_the_password_first(
    stale: PageClient, other_client: PageClient, sign_in: SignIn, uma: Person, action: str
) -> None:
    sign_in(uma, other_client)
    path = f"/users/{uma.id}/{action}"
    token = stale.form("/account/")["csrf_token"]

    question = stale.post(path, data={"csrf_token": token, "kept": ["<a>", "b"]})
    empty = stale.post(path, data=fields_of(question.text))
    wrong = stale.post(path, data={**fields_of(question.text), "own_password": "not this one"})

    assert (question.status_code, empty.status_code, wrong.status_code) == (200, 422, 422)
    assert "Confirm it’s you" in question.text
    assert "Enter your password" in empty.text
    assert WRONG in wrong.text
    assert question.text.count('name="kept"') == 2
    assert f'action="{path}"' in question.text
    assert "not this one" not in wrong.text
    assert other_client.get("/account/").status_code == 200
    done = stale.post(path, data={**fields_of(wrong.text), "own_password": PASSWORD})
    assert done.status_code == 303
    assert "Confirm it’s you" not in done.text
    assert (outcome(other_client.get("/account/")) == SIGN_IN) == (action != "unlock")


def test_se10_with_htmx_the_question_is_a_dialog(stale: PageClient, uma: Person) -> None:
    token = stale.form("/account/")["csrf_token"]

    question = stale.post(f"/users/{uma.id}/unlock", data={"csrf_token": token}, headers=HTMX)

    assert question.text.startswith("<dialog")
    assert question.headers["HX-Retarget"] == "#dialog-slot"


def test_se10_undoing_a_change_of_role_or_email_needs_the_password_too(
    app: Flask, stale: PageClient, build: Builder, ada: Person, uma: Person
) -> None:
    path = f"/users/{uma.id}/edit"
    kept = fields_of(stale.send(path, {"email": "second@example.com"}).text)
    stale.post(path, data={**kept, "own_password": PASSWORD})
    with acting(app):
        age_authentication(ada)
    version = build.read(User, uma.id).version

    undo = {"csrf_token": stale.form("/account/")["csrf_token"], "version": version}
    question = stale.post(f"/activity/people/{uma.id}/undo", data=undo)
    assert "Confirm it’s you" in question.text
    assert state_of(build, uma)[0] == "second@example.com"

    stale.post(f"/activity/people/{uma.id}/undo", data={**fields_of(question.text), "own_password": PASSWORD})
    assert state_of(build, uma)[0] == uma.email


def test_se10_undoing_other_changes_needs_no_password(
    app: Flask, stale: PageClient, build: Builder, uma: Person
) -> None:
    with acting(app):
        users.set_active(uma.id, is_active=False)
    undo = {"csrf_token": stale.form("/account/")["csrf_token"], "version": build.read(User, uma.id).version}

    assert stale.post(f"/activity/people/{uma.id}/undo", data=undo).status_code == 303
    assert build.read(User, uma.id).is_active


@pytest.fixture
def strict(fresh_database: str) -> Iterator[Flask]:
    with portal_on(fresh_database, guesses_per_account=4, reauthentication_minutes=0) as portal:
        yield portal
        disconnect(portal)


def test_se10_guessing_the_password_is_rate_limited(strict: Flask) -> None:
    build = Builder(strict)
    acme: Tenant = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    uma = build.person("uma@example.com", tenant=acme)
    visitor = Visitor(strict, ada)
    edit: dict[str, Any] = {"email": uma.email, "role": "ADMIN", "is_active": "true", "version": "1", "base": "{}"}

    answers = [
        visitor.post(f"/users/{uma.id}/edit", {**edit, "own_password": f"guess {number}"}) for number in range(3)
    ]
    unlock = visitor.post(f"/users/{uma.id}/unlock", {"own_password": PASSWORD})

    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert unlock.status_code == 429
    assert "Too many attempts" in unlock.text
    assert int(unlock.headers["Retry-After"]) > 0
    assert state_of(build, uma)[1] is Role.USER


def test_se10_creating_an_administrator_needs_the_password_but_creating_a_user_does_not(stale: PageClient) -> None:
    made = {"first_name": "New", "last_name": "One", "is_active": "true"}

    user = stale.send("/users/new", {**made, "email": "one@example.com", "role": "USER"})
    question = stale.send("/users/new", {**made, "email": "two@example.com", "role": "ADMIN"})
    done = stale.post("/users/new", data={**fields_of(question.text), "own_password": PASSWORD})

    assert (user.status_code, question.status_code, done.status_code) == (303, 422, 303)
    assert "Enter your password" in question.text
