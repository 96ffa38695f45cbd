"""A form from another session is shown again, but never executed."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core.db import db
from portal.core.history import Activity
from portal.tokens import commands as tokens
from portal.users.models import User
from portal.web.csrf import OTHER_SESSION
from tests.acting import acting
from tests.cast import Builder, Person, SignIn
from tests.pages import PageClient, fields_of

OWN_SITE = {"Sec-Fetch-Site": "same-origin"}
TYPED = {"first_name": "Nia", "last_name": "New", "email": "nia@example.com", "role": "ADMIN"}


def events(app: Flask) -> int:
    with acting(app):
        return db.session.scalar(select(func.count()).select_from(Activity)) or 0


def form_of_earlier_session(client: PageClient, sign_in: SignIn, person: Person, path: str) -> dict[str, str]:
    """The fields of a form that was opened before the person signed out and in again in another tab."""
    fields = client.form(path)
    client.send("/logout", at="/account/")
    sign_in(person, client)
    return fields


def test_a_form_of_an_ended_session_is_shown_filled_in_and_can_be_submitted(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)
    fields = form_of_earlier_session(client, sign_in, ada, "/users/new") | TYPED
    before = events(app)

    again = client.post("/users/new", data=fields, headers=OWN_SITE)

    assert again.status_code == 400
    assert OTHER_SESSION in again.text
    assert events(app) == before
    shown = fields_of(again.text)
    assert {name: shown[name] for name in TYPED} == TYPED
    assert shown["row"] == fields["row"]
    assert client.post("/users/new", data=shown).status_code in (201, 303)
    with acting(app):
        assert db.session.scalar(select(User.first_name).where(User.email == TYPED["email"])) == "Nia"


def test_an_edit_that_is_shown_again_keeps_its_original_version(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    fields = form_of_earlier_session(client, sign_in, ada, f"/users/{uma.id}/edit")
    client.send(f"/users/{uma.id}/edit", {"first_name": "Theirs"})

    again = client.post(f"/users/{uma.id}/edit", data={**fields, "first_name": "Mine"}, headers=OWN_SITE)
    conflict = client.post(f"/users/{uma.id}/edit", data=fields_of(again.text))

    assert fields_of(again.text)["first_name"] == "Mine"
    assert (again.status_code, conflict.status_code) == (400, 409)
    assert build.read(User, uma.id).first_name == "Theirs"


@pytest.mark.parametrize("action", ["delete", "deactivation", "password"])
def test_a_confirmation_of_an_ended_session_asks_again(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person, action: str
) -> None:
    sign_in(ada)
    fields = form_of_earlier_session(client, sign_in, ada, f"/users/{uma.id}/{action}")
    before = events(app)

    again = client.post(f"/users/{uma.id}/{action}", data=fields, headers=OWN_SITE)

    assert again.status_code == 400
    assert events(app) == before
    assert client.post(f"/users/{uma.id}/{action}", data=fields_of(again.text)).status_code in (200, 303)
    assert events(app) > before


def test_passwords_are_not_filled_in_again(client: PageClient, sign_in: SignIn, uma: Person) -> None:
    sign_in(uma)
    fields = form_of_earlier_session(client, sign_in, uma, "/account/password")
    secret = "quite another battery staple"

    filled = dict.fromkeys(fields, secret) | {"csrf_token": fields["csrf_token"]}
    again = client.post("/account/password", data=filled, headers=OWN_SITE)

    assert again.status_code == 400
    assert OTHER_SESSION in again.text
    assert secret not in again.text


def test_people_without_access_to_the_page_see_no_more_than_with_a_get(
    client: PageClient, sign_in: SignIn, uma: Person, ada: Person
) -> None:
    sign_in(uma)
    former = form_of_earlier_session(client, sign_in, uma, "/account/")["csrf_token"]

    refused = client.post(f"/users/{ada.id}/edit", data={"csrf_token": former, **TYPED}, headers=OWN_SITE)

    assert refused.status_code == 403
    assert "Nia" not in refused.text


@pytest.mark.parametrize("path", ["/users/{id}/restore", "/logout", "/login", "/theme"])
def test_an_expired_form_that_no_page_shows_is_an_error(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, path: str
) -> None:
    sign_in(ada)

    answer = client.post(path.format(id=uma.id), data={"csrf_token": "x", "email": ada.email}, headers=OWN_SITE)

    assert answer.status_code == 400
    assert "This form was opened in another session" in answer.text
    assert "Go back" in answer.text


def test_an_anonymous_visitor_gets_no_form_filled_in(client: PageClient) -> None:
    answer = client.post("/users/new", data={"csrf_token": "x", **TYPED}, headers=OWN_SITE)

    assert answer.status_code == 400
    assert "Nia" not in answer.text


def test_a_form_of_somebody_else_in_the_same_browser_is_not_shown(
    client: PageClient, sign_in: SignIn, root: Person, ada: Person
) -> None:
    sign_in(ada)
    fields = client.form("/users/new") | TYPED
    client.send("/logout", at="/account/")
    sign_in(root)

    answer = client.post("/users/new", data=fields, headers=OWN_SITE)

    assert answer.status_code == 400
    assert TYPED["email"] not in answer.text


def test_after_signing_in_again_in_another_tab_an_open_form_can_be_saved(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)
    fields = client.form("/users/new") | TYPED | {"role": "USER"}
    with acting(app):
        tokens.revoke_all(ada.id)
    sign_in(ada)

    assert client.post("/users/new", data=fields).status_code == 303


@pytest.mark.parametrize("headers", [OWN_SITE, {"Origin": "http://localhost"}])
def test_two_tabs_with_the_sign_in_page_both_work(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, headers: dict[str, str]
) -> None:
    first, second = client.form("/login?next=/activity/"), client.form("/login")
    for person, fields in ((ada, first), (ada, second), (uma, first)):
        sent = {**fields, "email": person.email, "password": person.password}
        assert client.post("/login", data=sent, headers=headers).status_code == 303
        assert person.email in client.get("/account/").text


def test_the_sign_in_page_works_after_its_cookie_is_gone(client: PageClient, ada: Person) -> None:
    fields = {**client.form("/login"), "email": ada.email, "password": ada.password}
    client.delete_cookie("portal")

    assert client.post("/login", data=fields, headers=OWN_SITE).status_code == 303


def test_the_sign_in_page_redirects_people_who_signed_in_in_another_tab(
    client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    sign_in(ada)

    assert client.get("/login?next=/users/").headers["Location"] == "/users/"
    assert client.get("/login?next=//evil.example").headers["Location"] == "/"


def test_signing_out_works_from_an_outdated_page(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)
    fields = form_of_earlier_session(client, sign_in, ada, "/account/")

    assert client.post("/logout", data=fields, headers=OWN_SITE).status_code == 303
    assert client.get("/account/").headers["Location"].startswith("/login")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
     {"Origin": "null"}, {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}],
)  # fmt: skip
def test_cs3_a_cross_site_sign_in_is_refused_even_with_a_valid_token(
    client: PageClient, other_client: PageClient, ada: Person, headers: dict[str, str]
) -> None:
    fields = {**other_client.form("/login"), "email": ada.email, "password": ada.password}
    client.get("/login")

    assert client.post("/login", data=fields, headers=headers).status_code == 400
    assert client.get("/account/").headers["Location"].startswith("/login")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
def test_a_form_filled_in_by_another_site_is_not_shown(
    client: PageClient, sign_in: SignIn, ada: Person, site: str
) -> None:
    sign_in(ada)

    answer = client.post("/users/new", data=TYPED, headers={"Sec-Fetch-Site": site})

    assert answer.status_code == 400
    assert TYPED["email"] not in answer.text
