"""What mailed links do, for whom, and what they leave behind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from portal.auth import redeeming
from portal.core.clock import now
from portal.core.db import db
from portal.core.history import Activity
from portal.tokens.queries import live_of
from portal.users import commands, passwords
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, SignIn
from tests.mailbox import PATHS, emails, jobs, link_path, path_of
from tests.pages import PageClient

NEW = "another horse battery staple"


def actions(app: Flask, person: Person) -> list[tuple[str, bool]]:
    """The history of a person, oldest first, and whether they acted themselves."""
    with acting(app):
        found = select(Activity.action, Activity.actor_id).where(Activity.row_id == person.id).order_by(Activity.id)
        return [(action, actor == person.id) for action, actor in db.session.execute(found)]


def test_accepting_an_invitation_signs_in_and_confirms_the_address(
    app: Flask, client: PageClient, build: Builder, guest: Person
) -> None:
    client.get(link_path(app, "invitation", guest))
    assert guest.email in client.get("/invitations/").text
    assert client.send("/invitations/", {"password": "short"}).status_code == 422

    answer = client.send("/invitations/", {"password": NEW})

    assert answer.headers["Location"] == "/account/"
    assert guest.email in client.get("/account/").text
    user = build.read(User, guest.id)
    assert (user.email_verified, user.invitation, user.updated_by) == (True, "accepted", guest.id)
    assert user.last_sign_in_at is not None
    with acting(app):
        assert passwords.verify(NEW, commands.stored_password(guest.id)).correct
    assert actions(app, guest) == [
        ("create", False), ("invitation_accepted", True), ("update", True), ("sign_in", True),
    ]  # fmt: skip


def test_accepting_a_copied_invitation_link_does_not_verify_the_address(
    app: Flask, client: PageClient, build: Builder, guest: Person, ada: Person
) -> None:
    answer = Visitor(app, ada).post(f"/users/{guest.id}/invitation/link")
    link = answer.text.split("/invitations/")[1].split("<")[0]

    client.get(f"/invitations/{link}")
    client.send("/invitations/", {"password": NEW})

    assert (build.read(User, guest.id).email_verified, build.read(User, guest.id).invitation) == (False, "accepted")
    assert jobs(app) == [("verification", guest.id)]


def test_a_new_password_by_link_ends_all_sessions_and_notifies_the_person(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, uma: Person
) -> None:
    sign_in(uma, other_client)
    client.get(link_path(app, "password_reset", uma))

    answer = client.send("/password/reset", {"password": NEW})

    assert answer.headers["Location"] == "/login"
    assert other_client.get("/account/").headers["Location"].startswith("/login")
    with acting(app):
        assert not db.session.scalar(live_of(uma.id))
        assert passwords.verify(NEW, commands.stored_password(uma.id)).correct
    assert build.read(User, uma.id).email_verified
    assert jobs(app) == [("password_changed", uma.id)]
    assert ("reset_used", True) in actions(app, uma)


def test_a_new_address_takes_effect_once_confirmed_and_the_old_one_is_notified(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, uma: Person
) -> None:
    sign_in(uma)
    sent = {"email": "uma.new@example.com", "current_password": PASSWORD}
    client.send("/account/email", sent)
    assert build.read(User, uma.id).email == uma.email
    (request,) = emails(app)
    assert request.recipient == "uma.new@example.com"

    client.get(path_of(request))
    assert "uma.new@example.com" in client.get("/verify").text
    client.send("/verify")

    user = build.read(User, uma.id)
    assert (user.email, user.pending_email, user.email_verified) == ("uma.new@example.com", None, True)
    (notice,) = emails(app)
    with acting(app):
        assert (notice.recipient, "uma.new" in notice.content("txt")) == (uma.email, False)
    assert client.get("/account/").status_code == 200


def test_confirming_an_address_that_is_taken_by_now_shows_an_error(
    app: Flask, client: PageClient, build: Builder, uma: Person, ada: Person
) -> None:
    with acting(app, uma):
        user = db.session.scalars(select(User).where(User.id == uma.id)).one()
        user.pending_email = "taken@example.com"
        db.session.commit()
    build.person("taken@example.com")
    client.get(link_path(app, "verification", uma))

    answer = client.send("/verify")

    assert (answer.status_code, "This address is now used by someone else" in answer.text) == (422, True)
    assert build.read(User, uma.id).email == uma.email


@pytest.mark.parametrize("kind", PATHS)
def test_au10_opening_a_link_any_number_of_times_changes_nothing(
    app: Flask, build: Builder, guest: Person, uma: Person, kind: str
) -> None:
    person = guest if kind == "invitation" else uma
    link, before = link_path(app, kind, person), actions(app, person)

    for visitor in [Visitor(app) for _ in range(3)]:
        for _ in range(3):
            assert visitor.get(link).headers["Location"] == PATHS[kind]
            assert visitor.client.head(link).status_code == 303
            assert visitor.get(PATHS[kind]).status_code == 200

    assert actions(app, person) == before
    assert build.read(User, person.id).version == 1


@pytest.mark.parametrize("kind", PATHS)
def test_au10_a_link_is_never_in_a_page_a_redirect_or_the_log(
    app: Flask, client: PageClient, guest: Person, uma: Person, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    link = link_path(app, kind, guest if kind == "invitation" else uma)
    secret = link.rsplit("/", 1)[1]

    opened = client.get(link)
    page = client.get(PATHS[kind])
    client.send(PATHS[kind], {"password": NEW})
    used = client.get(PATHS[kind])

    assert opened.headers["Location"] == PATHS[kind]
    assert secret not in opened.text + page.text + used.text + caplog.text
    with acting(app):
        assert secret not in str(db.session.execute(select(Activity)).all())


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("token", ["x", "a" * 5_000, "..", "%00", "%ff", "é", ".a.b", "eyJ", "W10.x.y", "💥"])
def test_au10_an_invalid_link_opens_a_page_that_explains_it(app: Flask, kind: str, token: str) -> None:
    visitor = Visitor(app)
    folder = {"invitation": "/invitations", "password_reset": "/password/reset", "verification": "/verify"}[kind]

    opened = visitor.get(f"{folder}/{token}")

    assert opened.status_code in (303, 400, 404)
    assert visitor.get(PATHS[kind]).status_code == 410
    assert visitor.post(PATHS[kind], {"password": NEW}).status_code == 410


def test_accepting_an_invitation_signs_out_somebody_else_in_the_same_browser(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, guest: Person
) -> None:
    sign_in(ada)
    client.get(link_path(app, "invitation", guest))
    client.send("/invitations/", {"password": NEW})

    assert guest.email in client.get("/account/").text
    with acting(app):
        assert not db.session.scalar(live_of(ada.id))


# Forgotten passwords


def request_reset(client: PageClient, email: str) -> tuple[int, str]:
    answer = client.send("/password/forgot", {"email": email})
    return answer.status_code, client.get("/login").text.replace(email, "EMAIL")


def test_au4_requesting_a_link_does_not_reveal_whether_an_address_is_known(
    app: Flask, client: PageClient, other_client: PageClient, uma: Person, gil: Person
) -> None:
    answers = [
        (status, "If an account with EMAIL exists, we have emailed it a link" in text)
        for status, text in (request_reset(client, email) for email in (uma.email, gil.email, "nobody@example.com"))
    ]

    assert answers == [(303, True)] * 3
    assert [message.recipient for message in emails(app)] == [uma.email]


def test_au5_requesting_a_link_takes_the_same_work_for_known_and_unknown_addresses(app: Flask, uma: Person) -> None:
    statements_of = []
    for email in (uma.email, "nobody@example.com"):
        statements: list[str] = []

        def note(*given: object, statements: list[str] = statements) -> None:
            if "SAVEPOINT" not in str(given[2]):  # their names are numbered
                statements.append(str(given[2]))

        with acting(app):
            engine = db.engine
            event.listen(engine, "before_cursor_execute", note)
            redeeming.ask_for_reset(email, ())
            event.remove(engine, "before_cursor_execute", note)
        statements_of.append(statements)

    assert statements_of[0] == statements_of[1]
    assert len(statements_of[0]) > 3


def test_requesting_links_is_rate_limited(
    app: Flask, client: PageClient, uma: Person, change_settings: Callable[..., None]
) -> None:
    change_settings(emails_per_hour=4)
    for email in (uma.email, "nobody@example.com"):
        statuses = [client.send("/password/forgot", {"email": email}).status_code for _ in range(4)]

        assert statuses == [303, 303, 429, 429]
    assert [message.recipient for message in emails(app)] == [uma.email] * 2


@pytest.mark.parametrize("state", [{"revoked_at": now()}, {}])
def test_a_person_who_has_not_accepted_the_invitation_gets_no_reset_link(
    app: Flask, client: PageClient, build: Builder, state: dict[str, Any]
) -> None:
    build.person("guest@example.com", invited_at=now(), **state)

    client.send("/password/forgot", {"email": "guest@example.com"})

    assert emails(app) == []
