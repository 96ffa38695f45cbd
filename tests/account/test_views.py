"""The pages of one's own account."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask

from portal.core.actor import Role
from portal.core.keys import uuid7
from portal.tokens import personal
from portal.users.models import User
from tests.access.visitor import SIGN_IN, Visitor, outcome
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.pages import PageClient

LONG = " ".join(f"{number} bottles on the wall," for number in range(300))
NEW = "quite another horse and battery"


def test_a_person_can_change_their_name(client: PageClient, sign_in: SignIn, build: Builder, uma: Person) -> None:
    sign_in(uma)

    answer = client.send("/account/", {"first_name": "  Uma   Karin ", "last_name": "Thurgood"})

    row = build.read(User, uma.id)
    assert answer.status_code == 303
    assert (row.first_name, row.last_name, row.updated_by) == ("Uma Karin", "Thurgood", uma.id)
    assert "Profile saved." in client.get("/account/").text


def test_an_overlong_name_is_reported_at_its_field(client: PageClient, sign_in: SignIn, uma: Person) -> None:
    sign_in(uma)

    answer = client.send("/account/", {"first_name": "x" * 81, "last_name": "Kept"})

    assert answer.status_code == 422
    assert "Use 80 characters at most." in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert 'value="Kept"' in answer.text


def test_ac9_the_profile_form_ignores_other_fields(app: Flask, build: Builder, uma: Person) -> None:
    forged = {"role": "SUPER_ADMIN", "email": "x@example.com", "organization_id": "", "email_verified": "y", "id": "1"}

    Visitor(app, uma).post("/account/", {"first_name": "Uma", "time_zone": "", **forged})

    row = build.read(User, uma.id)
    assert row.first_name == "Uma"
    assert (row.role, row.email, row.organization_id) == (Role.USER, uma.email, uma.organization_id)
    assert not row.email_verified


@pytest.mark.parametrize("current", ["", "not the right password", PASSWORD.upper()])
def test_au9_changing_your_password_needs_the_current_one(app: Flask, uma: Person, current: str) -> None:
    visitor = Visitor(app, uma)

    answer = visitor.post("/account/password", {"current_password": current, "password": NEW})

    assert answer.status_code == 422
    assert Visitor(app).post("/login", {"email": uma.email, "password": NEW}).status_code == 422


def test_a_changed_password_ends_all_other_sessions(app: Flask, uma: Person) -> None:
    here, there = Visitor(app, uma), Visitor(app, uma)

    assert here.post("/account/password", {"current_password": PASSWORD, "password": NEW}).status_code == 303

    assert here.get("/account/").status_code == 200
    assert outcome(there.get("/account/")) == SIGN_IN
    assert Visitor(app).post("/login", {"email": uma.email, "password": PASSWORD}).status_code == 422
    assert Visitor(app).post("/login", {"email": uma.email, "password": NEW}).status_code == 303


@pytest.mark.parametrize(
    ("names", "before", "after"),
    [
        ((), "Changing your password signs you out on all other devices.", "All your other sessions have ended."),
        (("A",), "other devices and ends 1 API token: <a", "sessions have ended, and so has 1 API token."),
        (("A", "B"), "other devices and ends 2 API tokens: <a", "sessions have ended, and so have 2 API tokens."),
    ],
)
def test_changing_the_password_shows_how_many_api_tokens_end(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, names: tuple[str, ...], before: str, after: str
) -> None:
    with acting(app, uma):
        for name in names:
            personal.create(name, ["profile"], timedelta(days=9), row_id=uuid7())
    sign_in(uma)
    assert before in client.get("/account/password").text

    client.send("/account/password", {"current_password": PASSWORD, "password": "another horse battery staple"})

    assert after in client.get("/account/").text
    assert "No active tokens." in client.get("/account/tokens/").text


@pytest.mark.parametrize("password", ["a" * 14, "", "\U0001f600" * 14, "welcome to the portal", PASSWORD])
def test_au1_an_unacceptable_password_is_refused_with_the_reason(app: Flask, uma: Person, password: str) -> None:
    answer = Visitor(app, uma).post("/account/password", {"current_password": PASSWORD, "password": password})

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize(
    "password", ["fifteen letters", LONG[:64], LONG[:200], "👍🌵🚲🐈🎈🍋🌊🎻🦉🧭🪁🏔🧩🚀🍄", " spaces at both ends "]
)
def test_au1_long_passwords_of_any_characters_are_accepted_unchanged(app: Flask, uma: Person, password: str) -> None:
    answer = Visitor(app, uma).post("/account/password", {"current_password": PASSWORD, "password": password})

    assert answer.status_code == 303
    assert Visitor(app).post("/login", {"email": uma.email, "password": password}).status_code == 303
    assert Visitor(app).post("/login", {"email": uma.email, "password": password[:-1]}).status_code == 422


@pytest.mark.parametrize("length", [73, 80, 1_000])
def test_au2_every_character_of_a_chosen_password_matters(app: Flask, uma: Person, length: int) -> None:
    visitor = Visitor(app, uma)
    chosen = "é7" * (length // 2) + "z"

    assert visitor.post("/account/password", {"current_password": PASSWORD, "password": chosen}).status_code == 303

    visitor = Visitor(app, replace(uma, password=chosen))
    for other in (chosen[:-1] + "y", chosen[:-1], chosen + "z"):
        assert Visitor(app).post("/login", {"email": uma.email, "password": other}).status_code == 422
        assert visitor.post("/account/password", {"current_password": other, "password": NEW}).status_code == 422


def test_au2_a_password_of_ten_kilobytes_is_refused_without_an_error(app: Flask, uma: Person) -> None:
    huge = "endless " * 1_250

    chosen = Visitor(app, uma).post("/account/password", {"current_password": PASSWORD, "password": huge})
    as_the_current = Visitor(app, uma).post("/account/password", {"current_password": huge, "password": NEW})

    assert (chosen.status_code, as_the_current.status_code) == (422, 422)
    assert Visitor(app).post("/login", {"email": uma.email, "password": PASSWORD}).status_code == 303


def test_au9_a_temporary_password_must_be_changed_before_anything_else(
    app: Flask, build: Builder, acme: Tenant, ada: Person
) -> None:
    new = build.person("new@example.com", role=Role.ADMIN, tenant=acme, must_change_password=True)
    visitor = Visitor(app, new)

    for path in ("/", "/account/", "/users/", f"/organizations/{acme.id}"):
        assert visitor.get(path).headers["Location"] == "/account/password"
    assert visitor.post(f"/users/{ada.id}/delete").headers["Location"] == "/account/password"
    assert visitor.get("/users/", htmx=True).headers["HX-Redirect"] == "/account/password"
    visitor.post("/account/password", {"current_password": PASSWORD, "password": NEW})
    assert visitor.get("/users/").status_code == 200
    assert not build.read(User, new.id).must_change_password


def test_the_password_page_never_shows_a_password_that_was_entered(
    client: PageClient, sign_in: SignIn, uma: Person
) -> None:
    sign_in(uma)

    answer = client.send("/account/password", {"current_password": PASSWORD, "password": "short"})

    assert answer.status_code == 422
    assert PASSWORD not in answer.text
    assert "short" not in answer.text.replace("a short", "")


def test_au3_a_password_made_of_personal_details_is_refused(app: Flask, build: Builder, acme: Tenant) -> None:
    long = build.tenant("Logistics of the North")
    eva = build.person("eva.lindqvist@example.com", tenant=long, first_name="Evangelina", last_name="Lindqvist")
    visitor = Visitor(app, eva)

    for password in (
        eva.email,
        "Evangelina Lindqvist",
        "Logistics of the North 1",
        "logistics-of-the-north",
        "",
    ):
        answer = visitor.post("/account/password", {"current_password": PASSWORD, "password": password})
        assert answer.status_code == 422, password
        assert 'id="password-error"' in answer.text
    assert visitor.post("/account/password", {"current_password": PASSWORD, "password": NEW}).status_code == 303


def test_the_tabs_of_an_account_link_to_existing_pages(client: PageClient, sign_in: SignIn, uma: Person) -> None:
    sign_in(uma)

    page = client.get("/account/password").text

    tabs = re.findall(r'<a href="(/account/[a-z-]*)"( aria-current="page")?>', page)
    assert ("/account/password", ' aria-current="page"') in tabs
    assert [address for address, _ in tabs][:2] == ["/account/", "/account/password"]
    assert all(client.get(address).status_code == 200 for address, _ in tabs)


def test_password_strength_is_rated_for_everybody_and_never_stored_or_logged(
    client: PageClient, build: Builder, caplog: pytest.LogCaptureFixture
) -> None:
    token = client.form("/login")["csrf_token"]
    caplog.set_level(logging.DEBUG)

    answers = {
        typed: client.post("/account/password/strength", data={"csrf_token": token, "password": typed, **more})
        for typed, more in (
            ("grey dolphin under lamps", {}),
            ("grey dolphins", {"minimum": "8"}),
            ("<b>Gray Dolphin</b>", {"words": "x\nGray Dolphin", "minimum": "not a number"}),
            ("", {}),
        )
    }

    assert [answer.status_code for answer in answers.values()] == [200] * 4
    assert ["Strong" in answer.text for answer in answers.values()] == [True, False, False, False]
    assert "Too short" not in answers["grey dolphins"].text
    assert "mostly of your name" in answers["<b>Gray Dolphin</b>"].text
    assert not answers[""].text.strip()
    assert all(answer.headers["Cache-Control"] == "no-store" for answer in answers.values())
    assert "olphin" not in "".join(answer.text for answer in answers.values()) + caplog.text
    assert client.post("/account/password/strength", data={"password": "grey"}).status_code == 400


def test_password_strength_checks_are_rate_limited(client: PageClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.web.attempts.STRENGTHS_PER_MINUTE", 4)
    data = {"csrf_token": client.form("/login")["csrf_token"], "password": "grey dolphin under lamps"}

    shown = [bool(client.post("/account/password/strength", data=data).text.strip()) for _ in range(4)]

    assert shown == [True, True, False, False]
