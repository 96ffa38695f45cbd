"""A form submitted after its session ended comes back filled in, but only to the same person."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse
from wtforms import PasswordField

from portal.core.db import db
from portal.core.history import Activity
from portal.tokens import commands as tokens
from portal.web import drafts
from portal.web.forms import Form
from portal.web.guards import KEPT, UNKEPT
from tests.acting import acting, portal_on
from tests.cast import Builder, Person, SignIn
from tests.pages import HTMX, PageClient, fields_of

NEW = "/users/new"
TYPED = {"first_name": "Nia", "last_name": "Łódź <b>&", "email": "nia@example.com", "role": "USER"}
COOKIE = "portal-draft"


def end_session(app: Flask, client: PageClient, person: Person, how: str = "elsewhere") -> None:
    """End the session: elsewhere, in another tab of the browser, or by losing the browser's cookies."""
    if how == "elsewhere":
        with acting(app):
            tokens.revoke_all(person.id)
    elif how == "another tab":
        client.send("/logout", at="/account/")
    else:
        client.delete_cookie("portal")


def submit_after_session(
    app: Flask, client: PageClient, sign_in: SignIn, person: Person, path: str = NEW, **typed: str
) -> tuple[TestResponse, dict[str, str]]:
    """Submit the form after its session ended. Returns the response and the submitted fields."""
    sign_in(person)
    fields = client.form(path) | (typed or TYPED)
    end_session(app, client, person)
    return client.post(path, data=fields), fields


@pytest.mark.parametrize("how", ["elsewhere", "another tab", "no cookies"])
def test_after_signing_in_the_form_comes_back_filled_in(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, how: str
) -> None:
    sign_in(ada)
    fields = client.form(NEW) | TYPED
    end_session(app, client, ada, how)

    answer = client.post(NEW, data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/login?next={NEW}")
    login = client.get(answer.headers["Location"])
    assert KEPT.split(".")[0] in login.text
    assert 'value="Nia"' not in login.text
    sent = {**fields_of(login.text), "email": ada.email, "password": ada.password}
    assert client.post("/login", data=sent).headers["Location"] == NEW
    with acting(app):
        before = db.session.scalar(select(func.count()).select_from(Activity))

    page = client.get(NEW)

    shown = fields_of(page.text)
    assert drafts.BACK in page.text
    assert "data-unsaved" in page.text
    assert {name: shown[name] for name in TYPED} == TYPED
    assert shown["row"] == fields["row"]
    with acting(app):
        assert db.session.scalar(select(func.count()).select_from(Activity)) == before
    assert client.post(NEW, data=shown).status_code == 303
    assert drafts.BACK not in client.get(NEW).text


def test_the_form_comes_back_however_the_person_signs_in(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    submit_after_session(app, client, sign_in, ada)
    sign_in(ada)  # in another tab
    assert 'value="Nia"' not in client.get("/users/").text

    assert fields_of(client.get(f"{NEW}?organization=acme").text)["first_name"] == "Nia"


def test_forms_of_two_tabs_both_come_back(app: Flask, client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)
    sent = {NEW: client.form(NEW) | TYPED, "/account/": client.form("/account/") | {"first_name": "Adeline"}}
    end_session(app, client, ada)
    for path, fields in sent.items():
        client.post(path, data=fields)
    sign_in(ada)

    assert [fields_of(client.get(path).text)["first_name"] for path in sent] == ["Nia", "Adeline"]


def test_somebody_else_in_the_same_browser_does_not_see_the_form(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, root: Person
) -> None:
    submit_after_session(app, client, sign_in, ada)
    sign_in(root)

    page = client.get(NEW).text
    assert 'value="Nia"' not in page
    assert drafts.KEPT_FOR.format(ada.name) in page
    assert client.get_cookie(COOKIE) is None
    client.send("/logout", at="/account/")
    sign_in(ada)
    assert 'value="Nia"' not in client.get(NEW).text


@pytest.mark.parametrize("is_seen", [False, True])
def test_somebody_without_access_only_learns_whose_form_was_kept(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person, root: Person,
    is_seen: bool,
) -> None:  # fmt: skip
    path = "/browser/sql" if is_seen else NEW
    submit_after_session(
        app, client, sign_in, root if is_seen else ada, path, **({"query": "SELECT 'Nia'"} if is_seen else TYPED)
    )
    sign_in(ada if is_seen else uma)

    answer = client.get(path)
    page = client.get(answer.headers["Location"], follow_redirects=True)

    assert (answer.status_code, answer.headers["Location"], page.status_code) == (303, "/", 200)
    assert drafts.KEPT_FOR.format(drafts.ANOTHER) in page.text
    assert 'value="Nia"' not in page.text
    assert "SELECT" not in page.text
    assert client.get_cookie(COOKIE) is None
    assert client.get(path).status_code == 403


def test_signing_out_discards_the_form(app: Flask, client: PageClient, sign_in: SignIn, ada: Person) -> None:
    submit_after_session(app, client, sign_in, ada)
    sign_in(ada)
    assert client.get_cookie(COOKIE) is not None

    client.send("/logout", at="/account/")

    assert client.get_cookie(COOKIE) is None


def test_the_form_is_discarded_after_an_hour(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_after_session(app, client, sign_in, ada)
    monkeypatch.setattr(drafts, "SECONDS", -5)
    sign_in(ada)

    assert 'value="Nia"' not in client.get(NEW).text


def test_a_form_of_another_account_leaves_nothing_for_the_person_at_the_browser(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, bea: Person
) -> None:
    sign_in(bea, other_client)
    forged = other_client.form(NEW) | TYPED

    client.post(NEW, data=forged)  # as another site could make Ada's browser send it, without cookies
    sign_in(ada)

    assert 'value="Nia"' not in client.get(NEW).text


@pytest.mark.parametrize("token", ["", "x", "IngiLmNi"])
def test_cs1_without_a_valid_csrf_token_nothing_is_kept(client: PageClient, token: str) -> None:
    answer = client.post(NEW, data={"csrf_token": token, **TYPED})

    assert answer.status_code == 400
    assert client.get_cookie(COOKIE) is None


def test_passwords_are_never_kept_in_the_browser(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(drafts, "_put", kept.append)
    submit_after_session(
        app, client, sign_in, uma, "/account/email", email="uma.new@example.com", current_password="a secret thing"
    )

    ((_, path, typed),) = kept[0]
    assert (path, typed) == ("/account/email", [("email", "uma.new@example.com")])


def test_every_password_field_is_listed_as_secret(app: Flask) -> None:
    def forms(base: type[Form]) -> Iterator[type[Form]]:
        for one in base.__subclasses__():
            yield one
            yield from forms(one)

    secret = {name for form in forms(Form) for name in vars(form) if _is_password(getattr(form, name))}

    assert {"password", "own_password", "current_password"} <= secret <= drafts.SECRET


def _is_password(field: Any) -> bool:
    return getattr(field, "field_class", None) is PasswordField


def test_a_form_that_is_too_large_to_keep_must_be_entered_again(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person
) -> None:
    answer, _ = submit_after_session(app, client, sign_in, root, "/browser/sql", query=secrets.token_urlsafe(7000))

    assert client.get_cookie(COOKIE) is None
    assert UNKEPT in client.get(answer.headers["Location"]).text


def test_a_query_comes_back_after_an_htmx_request(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person
) -> None:
    sign_in(root)
    fields = client.form("/browser/sql") | {"query": "select 'a long one'"}
    end_session(app, client, root)

    answer = client.post("/browser/sql", data=fields, headers=HTMX)

    assert answer.headers["HX-Redirect"] == "/login?next=/browser/sql"
    sign_in(root)
    assert "a long one" in client.get("/browser/sql").text


def test_a_button_leads_back_to_its_page(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    page = f"/users/{uma.id}"
    fields = client.form(f"{page}/delete")
    end_session(app, client, ada)

    confirmed = client.post(f"{page}/delete", data=fields)
    pushed = client.post(f"{page}/verification", data=fields, headers={"Referer": f"http://localhost{page}"})
    elsewhere = client.post(f"{page}/verification", data=fields, headers={"Referer": f"http://evil.example{page}"})

    assert confirmed.headers["Location"] == f"/login?next={page}/delete"
    assert pushed.headers["Location"] == f"/login?next={page}"
    assert elsewhere.headers["Location"] == "/login"
    assert client.get_cookie(COOKIE) is None


@pytest.mark.parametrize("value", ["", "x", "gAAAAA", "a" * 3000, '"[]"', "%00"])
def test_an_invalid_cookie_is_ignored(client: PageClient, sign_in: SignIn, ada: Person, value: str) -> None:
    sign_in(ada)
    client.set_cookie(COOKIE, value)

    assert client.get(NEW).status_code == 200
    assert client.get_cookie(COOKIE) is None


def test_se8_the_cookie_is_small_http_only_and_bound_to_the_host(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, fresh_database: str
) -> None:
    answer, _ = submit_after_session(app, client, sign_in, ada, **{**TYPED, "last_name": secrets.token_urlsafe(1500)})
    (line,) = [one for one in answer.headers.getlist("Set-Cookie") if one.startswith(COOKIE)]

    assert len(line) < 4096
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    with portal_on(fresh_database, public_url="https://portal.example.com") as secure:
        base = "https://portal.example.com"
        eva, visitor = Builder(secure).person("eva@example.com"), secure.test_client()
        form = fields_of(visitor.get("/login", base_url=base).text)
        sent, from_here = {**form, "email": eva.email, "password": eva.password}, {"Referer": f"{base}/login"}
        visitor.post("/login", base_url=base, data=sent, headers=from_here)
        fields = fields_of(visitor.get("/account/", base_url=base).text) | {"first_name": "Evelyn"}
        end_session(secure, client, eva)
        answer = visitor.post("/account/", base_url=base, data=fields, headers=from_here)
    (line,) = [one for one in answer.headers.getlist("Set-Cookie") if "-draft" in one]
    assert line.startswith("__Host-portal-draft=gAAAA")
    assert "Secure" in line
