"""Does a form that is sent after its session ended come back filled in, to its own person alone?"""

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


def ended(app: Flask, client: PageClient, person: Person, how: str = "elsewhere") -> None:
    """End the session: by somebody else, in another tab of the browser, or with the browser's cookies."""
    if how == "elsewhere":
        with acting(app):
            tokens.revoke_all(person.id)
    elif how == "another tab":
        client.send("/logout", at="/account/")
    else:
        client.delete_cookie("portal")


def left(
    app: Flask, client: PageClient, sign_in: SignIn, person: Person, path: str = NEW, **typed: str
) -> tuple[TestResponse, dict[str, str]]:
    """Send the form at the path after its session ended; the answer, and what was sent."""
    sign_in(person)
    fields = client.form(path) | (typed or TYPED)
    ended(app, client, person)
    return client.post(path, data=fields), fields


@pytest.mark.parametrize("how", ["elsewhere", "another tab", "no cookies"])
def test_signing_in_on_the_page_offered_brings_the_form_back_filled_in(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, how: str
) -> None:
    sign_in(ada)
    fields = client.form(NEW) | TYPED
    ended(app, client, ada, how)

    answer = client.post(NEW, data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/login?next={NEW}")
    door = client.get(answer.headers["Location"])
    assert KEPT.split(".")[0] in door.text
    assert 'value="Nia"' not in door.text
    sent = {**fields_of(door.text), "email": ada.email, "password": ada.password}
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


def test_it_comes_back_in_whatever_way_the_person_signs_in(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person
) -> None:
    left(app, client, sign_in, ada)
    sign_in(ada)  # in another tab, from the beginning
    assert 'value="Nia"' not in client.get("/users/").text

    assert fields_of(client.get(f"{NEW}?organization=acme").text)["first_name"] == "Nia"


def test_forms_of_two_tabs_both_come_back(app: Flask, client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)
    sent = {NEW: client.form(NEW) | TYPED, "/account/": client.form("/account/") | {"first_name": "Adeline"}}
    ended(app, client, ada)
    for path, fields in sent.items():
        client.post(path, data=fields)
    sign_in(ada)

    assert [fields_of(client.get(path).text)["first_name"] for path in sent] == ["Nia", "Adeline"]


def test_somebody_else_at_the_same_browser_is_not_shown_it(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, root: Person
) -> None:
    left(app, client, sign_in, ada)
    sign_in(root)

    page = client.get(NEW).text
    assert 'value="Nia"' not in page
    assert drafts.KEPT_FOR.format(ada.name) in page
    assert client.get_cookie(COOKIE) is None
    client.send("/logout", at="/account/")
    sign_in(ada)
    assert 'value="Nia"' not in client.get(NEW).text


@pytest.mark.parametrize("is_seen", [False, True])
def test_somebody_else_without_access_learns_for_whom_the_form_was_kept(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person, root: Person,
    is_seen: bool,
) -> None:  # fmt: skip
    path = "/browser/sql" if is_seen else NEW
    left(app, client, sign_in, root if is_seen else ada, path, **({"query": "SELECT 'Nia'"} if is_seen else TYPED))
    sign_in(ada if is_seen else uma)

    answer = client.get(path)
    page = client.get(answer.headers["Location"], follow_redirects=True)

    assert (answer.status_code, answer.headers["Location"], page.status_code) == (303, "/", 200)
    assert drafts.KEPT_FOR.format(drafts.ANOTHER) in page.text
    assert 'value="Nia"' not in page.text
    assert "SELECT" not in page.text
    assert client.get_cookie(COOKIE) is None
    assert client.get(path).status_code == 403


def test_signing_out_throws_it_away(app: Flask, client: PageClient, sign_in: SignIn, ada: Person) -> None:
    left(app, client, sign_in, ada)
    sign_in(ada)
    assert client.get_cookie(COOKIE) is not None

    client.send("/logout", at="/account/")

    assert client.get_cookie(COOKIE) is None


def test_after_an_hour_it_is_gone(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(app, client, sign_in, ada)
    monkeypatch.setattr(drafts, "SECONDS", -5)
    sign_in(ada)

    assert 'value="Nia"' not in client.get(NEW).text


def test_a_page_made_for_another_account_leaves_nothing_behind_for_the_one_at_the_browser(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, bea: Person
) -> None:
    sign_in(bea, other_client)
    forged = other_client.form(NEW) | TYPED

    client.post(NEW, data=forged)  # as another site would let the browser of ada send it, without its cookies
    sign_in(ada)

    assert 'value="Nia"' not in client.get(NEW).text


@pytest.mark.parametrize("token", ["", "x", "IngiLmNi"])
def test_cs1_without_a_token_of_ours_nothing_is_kept(client: PageClient, token: str) -> None:
    answer = client.post(NEW, data={"csrf_token": token, **TYPED})

    assert answer.status_code == 400
    assert client.get_cookie(COOKIE) is None


def test_no_password_waits_in_the_browser(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(drafts, "_put", kept.append)
    left(app, client, sign_in, uma, "/account/email", email="uma.new@example.com", current_password="a secret thing")

    ((_, path, typed),) = kept[0]
    assert (path, typed) == ("/account/email", [("email", "uma.new@example.com")])


def test_every_field_for_a_password_is_known_as_one(app: Flask) -> None:
    def forms(base: type[Form]) -> Iterator[type[Form]]:
        for one in base.__subclasses__():
            yield one
            yield from forms(one)

    secret = {name for form in forms(Form) for name in vars(form) if _is_password(getattr(form, name))}

    assert {"password", "own_password", "current_password"} <= secret <= drafts.SECRET


def _is_password(field: Any) -> bool:
    return getattr(field, "field_class", None) is PasswordField


def test_what_is_too_large_to_wait_is_said_to_be_sent_again(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person
) -> None:
    answer, _ = left(app, client, sign_in, root, "/browser/sql", query=secrets.token_urlsafe(7000))

    assert client.get_cookie(COOKIE) is None
    assert UNKEPT in client.get(answer.headers["Location"]).text


def test_a_query_comes_back_where_htmx_sent_it(app: Flask, client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)
    fields = client.form("/browser/sql") | {"query": "select 'a long one'"}
    ended(app, client, root)

    answer = client.post("/browser/sql", data=fields, headers=HTMX)

    assert answer.headers["HX-Redirect"] == "/login?next=/browser/sql"
    sign_in(root)
    assert "a long one" in client.get("/browser/sql").text


def test_a_button_of_a_page_leads_back_to_that_page(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    page = f"/users/{uma.id}"
    fields = client.form(f"{page}/delete")
    ended(app, client, ada)

    asked = client.post(f"{page}/delete", data=fields)
    pushed = client.post(f"{page}/verification", data=fields, headers={"Referer": f"http://localhost{page}"})
    elsewhere = client.post(f"{page}/verification", data=fields, headers={"Referer": f"http://evil.example{page}"})

    assert asked.headers["Location"] == f"/login?next={page}/delete"
    assert pushed.headers["Location"] == f"/login?next={page}"
    assert elsewhere.headers["Location"] == "/login"
    assert client.get_cookie(COOKIE) is None


@pytest.mark.parametrize("value", ["", "x", "gAAAAA", "a" * 3000, '"[]"', "%00"])
def test_a_foreign_cookie_has_no_effect(client: PageClient, sign_in: SignIn, ada: Person, value: str) -> None:
    sign_in(ada)
    client.set_cookie(COOKIE, value)

    assert client.get(NEW).status_code == 200
    assert client.get_cookie(COOKIE) is None


def test_se8_the_cookie_is_small_hidden_from_scripts_and_bound_to_the_host(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, fresh_database: str
) -> None:
    answer, _ = left(app, client, sign_in, ada, **{**TYPED, "last_name": secrets.token_urlsafe(1500)})
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
        ended(secure, client, eva)
        answer = visitor.post("/account/", base_url=base, data=fields, headers=from_here)
    (line,) = [one for one in answer.headers.getlist("Set-Cookie") if "-draft" in one]
    assert line.startswith("__Host-portal-draft=gAAAA")
    assert "Secure" in line
