"""Does whoever sits down at somebody else's open browser change nothing that matters?"""

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

ASKS = "Your password"
WRONG = "Wrong password. Try again."
SENSITIVE = pytest.mark.parametrize(
    "changed", [{"role": "ADMIN"}, {"email": "other@example.com"}], ids=["role", "email"]
)


@pytest.fixture
def aged(app: Flask, client: PageClient, sign_in: SignIn, ada: Person) -> PageClient:
    """Ada's browser, a good while after she signed in."""
    sign_in(ada)
    with acting(app):
        age_authentication(ada)
    return client


def told(build: Builder, person: Person) -> tuple[str, Role, str]:
    row = build.read(User, person.id)
    return row.pending_email or row.email, row.role, row.first_name


@SENSITIVE
def test_se10_an_old_sign_in_changes_neither_role_nor_e_mail_without_the_password(
    aged: PageClient, build: Builder, uma: Person, changed: dict[str, str]
) -> None:
    before = told(build, uma)
    path = f"/users/{uma.id}/edit"
    assert ASKS not in aged.get(path).text

    asked = aged.send(path, {**changed, "first_name": "Ursula"})
    kept = fields_of(asked.text)
    wrong = aged.post(path, data={**kept, "own_password": PASSWORD.upper()})

    assert (asked.status_code, wrong.status_code) == (422, 422)
    assert ASKS in asked.text
    assert WRONG in wrong.text
    assert kept.items() >= {**changed, "first_name": "Ursula"}.items()
    assert fields_of(wrong.text).items() >= {**changed, "first_name": "Ursula", "own_password": ""}.items()
    assert told(build, uma) == before


@SENSITIVE
def test_se10_with_the_password_it_is_done_and_for_a_while_not_asked_again(
    app: Flask, aged: PageClient, build: Builder, ada: Person, uma: Person, changed: dict[str, str]
) -> None:
    path = f"/users/{uma.id}/edit"
    kept = fields_of(aged.send(path, {**changed, "first_name": "Ursula"}).text)

    assert aged.post(path, data={**kept, "own_password": PASSWORD}).status_code == 303
    after = told(build, uma)
    assert after[2] == "Ursula"
    assert changed.get("email", uma.email) == after[0]
    assert aged.confirm(aged.send(path, {"role": "USER", "email": "third@example.com"})).status_code == 303
    with acting(app):
        age_authentication(ada)
    assert aged.send(path, {"email": "fourth@example.com"}).status_code == 422


def test_se10_what_is_not_sensitive_asks_nothing(aged: PageClient, build: Builder, uma: Person) -> None:
    assert aged.send(f"/users/{uma.id}/edit", {"first_name": "Ursula"}).status_code == 303
    assert aged.send("/account/", {"first_name": "Adele"}).status_code == 303
    assert told(build, uma)[2] == "Ursula"


@SENSITIVE
def test_se10_a_fresh_sign_in_asks_nothing(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person, changed: dict[str, str]
) -> None:
    sign_in(ada)
    with acting(app):
        age_authentication(ada, minutes=14)

    assert client.confirm(client.send(f"/users/{uma.id}/edit", changed)).status_code == 303


def test_se10_saying_who_one_is_here_says_nothing_about_another_device(
    app: Flask, aged: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada, other_client)
    with acting(app):
        age_authentication(ada)
    path = f"/users/{uma.id}/edit"

    kept = fields_of(aged.send(path, {"role": "ADMIN"}).text)
    assert aged.post(path, data={**kept, "own_password": PASSWORD}).status_code == 303

    assert other_client.send(path, {"role": "USER"}).status_code == 422


@pytest.mark.parametrize("act", ["password", "unlock", "delete"])
def test_se10_an_act_of_one_button_asks_first_and_is_then_done(
    aged: PageClient, other_client: PageClient, sign_in: SignIn, uma: Person, act: str
) -> None:
    sign_in(uma, other_client)
    path = f"/users/{uma.id}/{act}"
    token = aged.form("/account/")["csrf_token"]

    asked = aged.post(path, data={"csrf_token": token, "kept": ["<a>", "b"]})
    empty = aged.post(path, data=fields_of(asked.text))
    wrong = aged.post(path, data={**fields_of(asked.text), "own_password": "not this one"})

    assert (asked.status_code, empty.status_code, wrong.status_code) == (200, 422, 422)
    assert "Confirm it’s you" in asked.text
    assert "Enter your password" in empty.text
    assert WRONG in wrong.text
    assert asked.text.count('name="kept"') == 2
    assert f'action="{path}"' in asked.text
    assert "not this one" not in wrong.text
    assert other_client.get("/account/").status_code == 200
    done = aged.post(path, data={**fields_of(wrong.text), "own_password": PASSWORD})
    assert done.status_code == 303
    assert "Confirm it’s you" not in done.text
    assert (outcome(other_client.get("/account/")) == SIGN_IN) == (act != "unlock")


def test_se10_through_htmx_the_question_is_a_dialog(aged: PageClient, uma: Person) -> None:
    token = aged.form("/account/")["csrf_token"]

    asked = aged.post(f"/users/{uma.id}/unlock", data={"csrf_token": token}, headers=HTMX)

    assert asked.text.startswith("<dialog")
    assert asked.headers["HX-Retarget"] == "#dialog-slot"


def test_se10_undoing_a_change_of_role_or_e_mail_asks_too(
    app: Flask, aged: PageClient, build: Builder, ada: Person, uma: Person
) -> None:
    path = f"/users/{uma.id}/edit"
    kept = fields_of(aged.send(path, {"email": "second@example.com"}).text)
    aged.post(path, data={**kept, "own_password": PASSWORD})
    with acting(app):
        age_authentication(ada)
    version = build.read(User, uma.id).version

    undo = {"csrf_token": aged.form("/account/")["csrf_token"], "version": version}
    asked = aged.post(f"/activity/people/{uma.id}/undo", data=undo)
    assert "Confirm it’s you" in asked.text
    assert told(build, uma)[0] == "second@example.com"

    aged.post(f"/activity/people/{uma.id}/undo", data={**fields_of(asked.text), "own_password": PASSWORD})
    assert told(build, uma)[0] == uma.email


def test_se10_undoing_anything_else_asks_nothing(app: Flask, aged: PageClient, build: Builder, uma: Person) -> None:
    with acting(app):
        users.set_active(uma.id, is_active=False)
    undo = {"csrf_token": aged.form("/account/")["csrf_token"], "version": build.read(User, uma.id).version}

    assert aged.post(f"/activity/people/{uma.id}/undo", data=undo).status_code == 303
    assert build.read(User, uma.id).is_active


@pytest.fixture
def strict(fresh_database: str) -> Iterator[Flask]:
    with portal_on(fresh_database, guesses_per_account=4, reauthentication_minutes=0) as portal:
        yield portal
        disconnect(portal)


def test_se10_guessing_the_password_there_is_rate_limited(strict: Flask) -> None:
    build = Builder(strict)
    acme: Tenant = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    uma = build.person("uma@example.com", tenant=acme)
    visitor = Visitor(strict, ada)
    edit: dict[str, Any] = {"email": uma.email, "role": "ADMIN", "is_active": "true", "version": "1", "base": "{}"}

    answers = [
        visitor.post(f"/users/{uma.id}/edit", {**edit, "own_password": f"guess {number}"}) for number in range(3)
    ]
    act = visitor.post(f"/users/{uma.id}/unlock", {"own_password": PASSWORD})

    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert act.status_code == 429
    assert "Too many attempts" in act.text
    assert int(act.headers["Retry-After"]) > 0
    assert told(build, uma)[1] is Role.USER


def test_se10_making_somebody_who_may_more_asks_and_making_a_user_does_not(aged: PageClient) -> None:
    made = {"first_name": "New", "last_name": "One", "is_active": "true"}

    user = aged.send("/users/new", {**made, "email": "one@example.com", "role": "USER"})
    asked = aged.send("/users/new", {**made, "email": "two@example.com", "role": "ADMIN"})
    done = aged.post("/users/new", data={**fields_of(asked.text), "own_password": PASSWORD})

    assert (user.status_code, asked.status_code, done.status_code) == (303, 422, 303)
    assert "Enter your password" in asked.text
