"""Mailed links open as mail programs pass them on, and their pages explain what happens to sessions."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from flask import Flask

from portal.core.keys import uuid7
from portal.tokens import personal
from tests.access.visitor import Visitor
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.mailbox import PATHS, link_path
from tests.pages import PageClient

NEW = "another horse battery staple"
TAILS = (
    ".", "..", ",", ";", ":", "!", "?", ")", ").", ">", "%3E", "%253E", ">.", "&gt;", '"', "'", "”", "’", "»", "]", "}",
    "*", "**", "|", "\\", "%20", "%0A", "…", "。", "=", "=3D", "<br>", "%22%3E", "\u200b",
)  # fmt: skip


@pytest.mark.parametrize("kind", PATHS)
def test_a_link_works_with_characters_appended_by_mail_programs(
    app: Flask, uma: Person, guest: Person, kind: str
) -> None:
    link, visitor = link_path(app, kind, guest if kind == "invitation" else uma), Visitor(app)

    for tail in TAILS:
        visitor.get("/verify/none")
        answer = visitor.get(link + quote(tail, safe="%"))
        assert (answer.status_code, answer.headers["Location"]) == (303, PATHS[kind]), tail
        assert visitor.get(PATHS[kind]).status_code == 200, tail


@pytest.mark.parametrize("kind", PATHS)
def test_au10_only_appended_characters_are_ignored(app: Flask, uma: Person, guest: Person, kind: str) -> None:
    link, visitor = link_path(app, kind, guest if kind == "invitation" else uma), Visitor(app)
    start, _, token = link.rpartition("/")

    for other in (
        f"x{token}",
        f"{token}x",
        f"({token}",
        f".{token}",
        token[:-1],
        token.replace(".", ").", 1),
        ">",
        ".",
    ):
        visitor.get(f"{start}/{quote(other)}")
        assert visitor.get(PATHS[kind]).status_code == 410, other


def test_an_invitation_names_the_session_that_it_replaces(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, guest: Person
) -> None:
    client.get(link_path(app, "invitation", guest))
    assert "ends the session of" not in client.get("/invitations/").text
    sign_in(ada)

    client.get(link_path(app, "invitation", guest))
    page = client.get("/invitations/").text

    assert f"You are signed in as {ada.name}" in page
    assert f"Accepting this invitation ends the session of {ada.email} in this browser." in page
    assert "ends the session of" in client.send("/invitations/", {"password": "short"}).text


def test_an_invitation_shows_the_readable_address_of_the_other_session(
    app: Flask, client: PageClient, build: Builder, sign_in: SignIn, acme: Tenant, guest: Person
) -> None:
    sign_in(build.person("anne@xn--mller-kva.example", tenant=acme))

    client.get(link_path(app, "invitation", guest))

    assert "ends the session of anne@müller.example in this browser." in client.get("/invitations/").text


def test_a_reset_shows_how_many_tokens_end_and_keeps_somebody_elses_session(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    with acting(app, uma):
        for name in ("Nightly", "Weekly"):
            personal.create(name, ["profile"], timedelta(days=9), row_id=uuid7())
    sign_in(ada)
    client.get(link_path(app, "password_reset", uma))

    page = client.get("/password/reset").text
    answer = client.send("/password/reset", {"password": NEW})

    assert "Saving it ends all your sessions and 2 API tokens." in page
    assert f"You are signed in as {ada.email}. That session stays open." in page
    assert answer.headers["Location"] == "/account/"
    assert "Sign out to sign in with it" in client.get("/account/").text
