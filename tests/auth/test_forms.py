"""Email addresses are accepted as people paste them, wherever they are entered."""

from __future__ import annotations

import uuid

import pytest
from flask import Flask

from portal.users.models import User
from tests.access.visitor import Visitor
from tests.api.calling import LOGIN, Program
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.mailbox import jobs
from tests.pages import PageClient

PASTED = [
    '  "Mayer, Uma" <uma@example.com>; ', "mailto:uma@example.com?subject=x", "uma@exam\u200bple.com",
    "\u00a0UMA@example.com.", "\u202euma@example.com\u202c,",
]  # fmt: skip


@pytest.mark.parametrize("pasted", PASTED)
def test_sign_in_accepts_a_pasted_address(app: Flask, uma: Person, pasted: str) -> None:
    assert Visitor(app).post("/login", {"email": pasted, "password": PASSWORD}).status_code == 303
    assert Program(app).post(LOGIN, {"email": pasted, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("pasted", PASTED)
def test_a_password_reset_accepts_a_pasted_address(app: Flask, client: PageClient, uma: Person, pasted: str) -> None:
    answer = client.send("/password/forgot", {"email": pasted})

    assert answer.status_code == 303
    assert ("password_reset", uma.id) in jobs(app)


@pytest.mark.parametrize("pasted", PASTED)
def test_the_person_form_stores_a_pasted_address_normalized(
    app: Flask, ada: Person, build: Builder, pasted: str
) -> None:
    sent = {"email": pasted, "role": "USER", "is_active": "true"}

    answer = Visitor(app, ada).post("/users/new", sent)

    assert answer.status_code == 303
    assert build.read(User, uuid.UUID(answer.headers["Location"].split("/")[-1])).email == "uma@example.com"


@pytest.mark.parametrize("pasted", PASTED)
def test_the_command_line_accepts_a_pasted_address(app: Flask, uma: Person, pasted: str) -> None:
    result = app.test_cli_runner().invoke(args=["users", "unlock", pasted])

    assert (result.exit_code, result.output) == (0, "uma@example.com can try to sign in again.\n")


def test_the_command_line_finds_a_person_with_a_legacy_address(app: Flask, build: Builder, acme: Tenant) -> None:
    build.person("Old.Style@corp", tenant=acme)

    result = app.test_cli_runner().invoke(args=["users", "set-password", "Old.Style@corp"], input="\n")

    assert result.exit_code == 0
    assert "is set" in result.output


def test_a_person_with_a_legacy_address_can_sign_in(app: Flask, build: Builder, acme: Tenant) -> None:
    build.person("Old.Style@corp", tenant=acme)

    assert Visitor(app).post("/login", {"email": " old.style@CORP ", "password": PASSWORD}).status_code == 303
