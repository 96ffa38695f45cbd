"""Emails name the actor, the consequences and whom to ask, and nothing that the reader may not know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.keys import uuid7
from portal.organizations.commands import organizations
from portal.tokens import personal
from portal.tokens.models import ApiToken
from portal.users import commands, invitations, resets
from portal.users.commands import users
from tests.access.visitor import Visitor
from tests.acting import acting
from tests.cast import Builder, Person, Tenant
from tests.mailbox import email_of, emails
from tests.pages import PageClient

EARLIER = "Links from earlier invitations no longer work."


def text_of(app: Flask, kind: str, user_id: Any) -> str:
    message = email_of(app, kind, user_id)
    return "\n".join((*message.paragraphs, *message.closing))


def invite(app: Flask, by: Person | None, **values: Any) -> Any:
    row = {"email": "guest@example.com", "first_name": "Guy", "role": Role.USER, **values}
    with acting(app, by):
        return users.create(row, row_id=uuid7())


def test_an_invitation_names_an_administrator_of_the_same_organization(app: Flask, ada: Person, acme: Tenant) -> None:
    guest = invite(app, ada)

    text = text_of(app, "invitation", guest)

    assert f"{ada.name} invites you to Portal for {acme.name}." in text
    assert EARLIER not in text


def test_ac14_an_invitation_to_a_tenant_names_nobody_from_outside(app: Flask, root: Person, acme: Tenant) -> None:
    text = text_of(app, "invitation", invite(app, root, organization_id=acme.id))

    assert f"A system administrator invites you to Portal for {acme.name}." in text
    assert root.name not in text


def test_an_invitation_names_a_super_admin_but_not_the_command_line(app: Flask, root: Person) -> None:
    by_name = invite(app, root, role=Role.SUPER_ADMIN)
    by_system = invite(app, None, email="other@example.com")

    assert f"{root.name} invites you to Portal." in text_of(app, "invitation", by_name)
    assert "You are invited to Portal." in text_of(app, "invitation", by_system)


def test_an_invitation_sent_again_names_the_sender_and_invalidates_earlier_links(
    app: Flask, build: Builder, ada: Person, acme: Tenant
) -> None:
    guest = invite(app, ada)
    second = build.person("second@example.com", role=Role.ADMIN, tenant=acme)
    with acting(app, ada):
        users.update(guest, 1, {"first_name": "Gustav"})
    assert EARLIER not in text_of(app, "invitation", guest)

    with acting(app, second):
        invitations.invite_again(guest)

    text = text_of(app, "invitation", guest)
    assert f"{second.name} invites you" in text
    assert EARLIER in text


@pytest.mark.parametrize("change", ["email", "activate"])
def test_an_invitation_sent_by_a_change_names_its_author(
    app: Flask, build: Builder, ada: Person, acme: Tenant, change: str
) -> None:
    guest = invite(app, ada, is_active=change != "activate")
    second = build.person("second@example.com", role=Role.ADMIN, tenant=acme)

    with acting(app, second):
        if change == "activate":
            users.set_active(guest, is_active=True)
        else:
            users.update(guest, 1, {"email": "right@example.com"})

    assert f"{second.name} invites you" in text_of(app, "invitation", guest)


def with_tokens(app: Flask, person: Person, *names: str) -> None:
    with acting(app, person):
        for name in names:
            personal.create(name, ["profile"], timedelta(days=9), row_id=uuid7())


PASSWORD_CHANGES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "own change": ("password_changed", lambda uma: commands.set_password(uma, "another horse battery staple")),
    "reset": ("password_reset", resets.reset_password),
}


@pytest.mark.parametrize("how", PASSWORD_CHANGES)
def test_the_email_mentions_how_many_api_tokens_ended_with_the_password(
    app: Flask, ada: Person, uma: Person, how: str
) -> None:
    kind, change = PASSWORD_CHANGES[how]
    with_tokens(app, uma, "Revoked by hand")
    with acting(app, uma):
        personal.revoke(made_token())
    for names, sentence in (
        ((), ""),
        (("One",), "1 API token also ended. Apps that used it need a new one."),
        (("A", "B", "C"), "3 API tokens also ended. Apps that used them need new ones."),
    ):
        with_tokens(app, uma, *names)
        with acting(app, ada):
            change(uma.id)
        text = text_of(app, kind, uma.id)
        assert ("API token" in text, sentence in text) == (bool(sentence), True), text


def made_token() -> Any:
    return db.session.scalar(select(ApiToken.id))


def test_the_email_names_who_reset_a_password_unless_it_was_the_person(
    app: Flask, client: PageClient, ada: Person, root: Person, uma: Person
) -> None:
    with acting(app, ada):
        resets.reset_password(uma.id)
    assert f"{ada.name}, your administrator, reset the password of your Portal account." in text_of(
        app, "password_reset", uma.id
    )
    with acting(app, root):
        resets.reset_password(uma.id)
    assert "a system administrator reset the password" in (text := text_of(app, "password_reset", uma.id))
    assert root.name not in text

    client.send("/password/forgot", {"email": uma.email})

    text = text_of(app, "password_reset", uma.id)
    assert "administrator" not in text
    assert "If you didn’t request this" in text


def test_deactivated_people_who_request_a_reset_are_told_whom_to_ask(
    app: Flask, client: PageClient, build: Builder, ada: Person, acme: Tenant
) -> None:
    deactivated: dict[str, Any] = {"is_active": False, "tenant": acme}
    out = build.person("out@example.com", **deactivated)
    build.person("sleeping@example.com", role=Role.ADMIN, **deactivated)
    build.person("invited@example.com", role=Role.ADMIN, tenant=acme, password=None, invited_at=now())
    build.person("deleted@example.com", role=Role.ADMIN, tenant=acme, deleted_at=now())

    client.send("/password/forgot", {"email": out.email})

    (message,) = emails(app)
    text = "\n".join(message.paragraphs)
    assert (message.recipient, message.link) == (out.email, None)
    assert "The account is deactivated" in text
    assert f"ask {ada.name} ({ada.email}), who administers {acme.name}." in text


def test_without_an_administrator_people_are_referred_to_a_system_administrator(
    app: Flask, client: PageClient, build: Builder, root: Person, acme: Tenant
) -> None:
    out = build.person("out@example.com", is_active=False)
    member = build.person("member@example.com", tenant=acme)
    with acting(app, root):
        organizations.delete(acme.id)

    for email in (out.email, member.email):
        client.send("/password/forgot", {"email": email})

    messages = emails(app)
    assert [one.recipient for one in messages] == [out.email, member.email]
    assert all("ask a system administrator." in "\n".join(one.paragraphs) for one in messages)
    assert not any(acme.name in "\n".join(one.paragraphs) or root.name in "\n".join(one.paragraphs) for one in messages)


def test_the_administrator_to_ask_is_shown_with_a_readable_address(
    app: Flask, client: PageClient, build: Builder, acme: Tenant
) -> None:
    build.person("anne@xn--mller-kva.example", role=Role.ADMIN, tenant=acme)
    out = build.person("out@example.com", is_active=False, tenant=acme)

    client.send("/password/forgot", {"email": out.email})

    assert "(anne@müller.example)" in "\n".join(emails(app)[0].paragraphs)


def test_a_deactivated_super_admin_is_not_referred_to_administrators_who_cannot_see_them(
    app: Flask, client: PageClient, build: Builder, ada: Person, acme: Tenant
) -> None:
    out = build.person("out@example.com", role=Role.SUPER_ADMIN, tenant=acme, is_active=False)

    client.send("/password/forgot", {"email": out.email})

    (message,) = emails(app)
    assert "ask a system administrator." in (text := "\n".join(message.paragraphs))
    assert ada.email not in text


def test_a_deleted_person_gets_no_email_and_a_deactivated_one_is_rate_limited_too(
    app: Flask, client: PageClient, build: Builder, gil: Person, change_settings: Callable[..., None]
) -> None:
    change_settings(emails_per_hour=4)
    out = build.person("out@example.com", is_active=False)

    client.send("/password/forgot", {"email": gil.email})
    statuses = [client.send("/password/forgot", {"email": out.email}).status_code for _ in range(4)]

    assert statuses == [303, 303, 429, 429]
    assert [message.recipient for message in emails(app)] == [out.email] * 2


def test_ac14_an_email_does_not_reveal_the_browser_of_somebody_outside_the_tenant(
    app: Flask, root: Person, ada: Person, uma: Person
) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
    for person, is_shown in ((ada, True), (root, False)):
        assert Visitor(app, person).post(f"/users/{uma.id}/password", headers=agent).status_code == 303
        assert ("Firefox" in text_of(app, "password_reset", uma.id)) == is_shown


def test_the_email_to_a_new_address_names_it_and_the_current_one(app: Flask, uma: Person, ada: Person) -> None:
    with acting(app, ada):
        users.update(uma.id, 1, {"email": "uma@xn--bcher-kva.example"})

    message = email_of(app, "verification", uma.id)

    assert message.recipient == "uma@xn--bcher-kva.example"
    assert list(message.paragraphs) == [
        "Please confirm that uma@bücher.example is your address."
        f" You will then sign in to Portal with it instead of {uma.email}."
    ]


def test_the_email_to_the_current_address_names_only_that_one(app: Flask, build: Builder, acme: Tenant) -> None:
    person = build.person("new@example.com", tenant=acme, email_verified=False)

    assert list(email_of(app, "verification", person.id).paragraphs) == [
        "Please confirm that new@example.com is your address."
    ]
