"""A new address takes effect once its owner confirms it, and can be cancelled or confirmed again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.mail.commands import send_later
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.mailbox import email_of, emails, jobs, path_of
from tests.pages import PageClient

NEW = "uma.new@example.com"
At = Callable[..., None]
REACH = [
    ("uma", "uma", True),
    ("ada", "uma", True),
    ("root", "bea", True),
    ("uma", "ada", False),
    ("ada", "bea", False),
    ("ada", "root", False),
]


def request_change(client: PageClient, email: str = NEW, password: str = PASSWORD) -> int:
    return client.send("/account/email", {"email": email, "current_password": password}).status_code


def test_a_change_needs_the_password_and_a_different_valid_address(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, uma: Person
) -> None:
    sign_in(uma)

    assert request_change(client, password="wrong password") == 422
    assert request_change(client, "nonsense") == 422
    assert request_change(client, uma.email) == 422

    assert build.read(User, uma.id).pending_email is None
    assert jobs(app) == []


def test_au4_a_request_does_not_reveal_whether_the_address_is_in_use(
    client: PageClient, sign_in: SignIn, uma: Person, bea: Person
) -> None:
    sign_in(uma)

    assert request_change(client, bea.email) == request_change(client, "free@example.com") == 303


def test_the_link_of_a_cancelled_change_no_longer_works(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, uma: Person
) -> None:
    sign_in(uma)
    request_change(client)
    link = path_of(email_of(app, "verification", uma.id))
    assert f"Waiting for {NEW}" in client.get("/account/email").text

    client.send("/account/email/cancellation", at="/account/email")

    client.get(link)
    assert client.get("/verify").status_code == 410
    assert build.read(User, uma.id).pending_email is None
    assert email_of(app, "verification", uma.id).recipient == uma.email  # the current one isn't verified either


def test_emails_to_new_addresses_are_rate_limited(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, change_settings: Callable[..., None]
) -> None:
    change_settings(emails_per_hour=4)
    sign_in(uma)
    assert [request_change(client, f"victim{number}@example.com") for number in range(3)] == [303, 303, 429]

    client.send("/account/email/verification", at="/account/email")

    assert "Too many emails" in client.get("/account/email").text
    assert len(jobs(app)) == 2


def edit(client: PageClient, person: Person, email: str) -> TestResponse:
    return client.send(f"/users/{person.id}/edit", {"email": email})


def confirm(app: Flask, person: Person, visitor: PageClient) -> None:
    visitor.get(path_of(email_of(app, "verification", person.id)))
    visitor.send("/verify")


def test_an_administrators_change_takes_effect_once_confirmed_and_the_old_address_is_notified(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    shown = client.get(edit(client, uma, NEW).headers["Location"]).text

    assert f"Until then, {uma.email} is used to sign in" in shown
    assert (build.read(User, uma.id).email, build.read(User, uma.id).pending_email) == (uma.email, NEW)
    assert [message.recipient for message in emails(app)] == [NEW]
    assert f"The change to {NEW} takes effect" in client.get(f"/users/{uma.id}/edit").text

    confirm(app, uma, other_client)

    user = build.read(User, uma.id)
    assert (user.email, user.pending_email, user.email_verified) == (NEW, None, True)
    notified = [message.recipient for message in emails(app) if message.subject == "Your email address was changed"]
    assert notified == [uma.email]


def test_saving_the_form_again_neither_cancels_the_new_address_nor_sends_another_email(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    edit(client, uma, NEW)

    edit(client, uma, uma.email)
    edit(client, uma, NEW)

    assert build.read(User, uma.id).pending_email == NEW
    assert [kind for kind, _ in jobs(app)] == ["verification"]


def test_an_administrator_can_cancel_a_new_address(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    edit(client, uma, NEW)
    link = path_of(email_of(app, "verification", uma.id))

    client.send(f"/users/{uma.id}/verification/cancellation", at=f"/users/{uma.id}")

    other_client.get(link)
    assert other_client.get("/verify").status_code == 410
    assert build.read(User, uma.id).pending_email is None


@pytest.mark.parametrize(("whose", "words"), [("ada", "already uses this address"), ("bea", "Ask your system")])
def test_an_address_in_use_is_refused_at_its_field(
    client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person, bea: Person, whose: str, words: str
) -> None:
    sign_in(ada)

    answer = edit(client, uma, {"ada": ada, "bea": bea}[whose].email)

    assert answer.status_code == 422
    assert words in answer.text
    assert build.read(User, uma.id).pending_email is None


def test_an_invited_person_gets_the_invitation_at_the_new_address_and_undoing_reverts_it(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant
) -> None:
    guest = build.person("guest@example.com", tenant=acme, invited_at=now())
    sign_in(ada)
    first = path_of(email_of(app, "invitation", guest.id))

    edit(client, guest, NEW)

    assert build.read(User, guest.id).email == NEW
    assert email_of(app, "invitation", guest.id).recipient == NEW
    assert undo(client, build, guest).status_code == 303
    assert build.read(User, guest.id).email == guest.email
    other_client.get(first)
    assert other_client.get("/invitations/").status_code == 410


def test_a_deactivated_persons_new_address_gets_its_email_once_they_are_activated(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant
) -> None:
    away = build.person("away@example.com", tenant=acme, is_active=False)
    sign_in(ada)
    edit(client, away, NEW)
    assert jobs(app) == []

    client.send(f"/users/{away.id}/deactivation", {"is_active": "y"}, at=f"/users/{away.id}")

    assert [message.recipient for message in emails(app)] == [NEW]


def test_an_administrators_emails_to_one_person_are_rate_limited(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person, change_settings: At
) -> None:
    change_settings(emails_per_hour=4)
    sign_in(ada)

    answers = [edit(client, uma, f"victim{number}@example.com") for number in range(4)]

    assert answers[-1].status_code == 429
    assert "Too many attempts" in answers[-1].text
    assert 'value="victim3@example.com"' in answers[-1].text
    assert len(jobs(app)) == sum(answer.status_code == 303 for answer in answers) > 0


def undo(client: PageClient, build: Builder, person: Person) -> TestResponse:
    newest = {"csrf_token": client.form("/account/")["csrf_token"], "version": build.read(User, person.id).version}
    return client.post(f"/activity/people/{person.id}/undo", data=newest)


def test_undo_and_redo_of_a_new_address_are_rate_limited_like_requests(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, uma: Person, change_settings: At
) -> None:
    change_settings(emails_per_hour=4)
    sign_in(ada)
    edit(client, uma, NEW)

    answers = [undo(client, build, uma).status_code for _ in range(5)]

    assert answers == [303, 303, 303, 429, 429]
    assert build.read(User, uma.id).pending_email is None
    assert [kind for kind, _ in jobs(app)] == ["verification"] * 2


@pytest.mark.parametrize("field", ["is_active", "role"])
def test_toggling_a_change_does_not_send_unlimited_invitations(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant, change_settings: At,
    field: str,
) -> None:  # fmt: skip
    guest = build.person("guest@example.com", tenant=acme, invited_at=now())
    change_settings(emails_per_hour=2)
    sign_in(ada)
    to, fro = {"is_active": ("false", "true"), "role": ("ADMIN", "USER")}[field]

    sent = [client.confirm(client.send(f"/users/{guest.id}/edit", {field: value})) for value in (to, fro) * 2]
    answers = [answer.status_code for answer in sent]

    assert 429 in answers
    assert len(jobs(app)) == 1


def test_a_person_over_the_email_limit_can_be_deactivated_but_not_activated(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, ada: Person, acme: Tenant, change_settings: At
) -> None:
    guest = build.person("guest@example.com", tenant=acme, invited_at=now())
    change_settings(emails_per_hour=2)
    sign_in(ada)
    client.send(f"/users/{guest.id}/invitation", at=f"/users/{guest.id}")

    def set_active(value: str) -> int:
        return client.send(f"/users/{guest.id}/deactivation", {"is_active": value}, at=f"/users/{guest.id}").status_code

    assert (set_active(""), set_active("y")) == (303, 429)
    assert not build.read(User, guest.id).is_active
    assert len(jobs(app)) == 1


@pytest.mark.parametrize(("caller", "target", "reached"), REACH)
def test_functions_that_run_as_the_owner_check_what_their_caller_can_reach(
    app: Flask, request: pytest.FixtureRequest, caller: str, target: str, reached: bool
) -> None:
    actor, person = request.getfixturevalue(caller), request.getfixturevalue(target)

    with acting(app, actor):
        command(send_later)("password_reset", person.id)

    assert (jobs(app) == [("password_reset", person.id)]) is reached


def test_an_administrator_can_resend_the_link_until_the_address_is_confirmed(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    client.send(f"/users/{uma.id}/verification", at=f"/users/{uma.id}")
    (message,) = emails(app)
    assert message.recipient == uma.email

    other_client.get(path_of(message))
    other_client.send("/verify")

    assert "Verified" in client.get(f"/users/{uma.id}").text
    assert client.post(f"/users/{uma.id}/verification", data=client.form(f"/users/{uma.id}")).status_code == 409


@pytest.mark.parametrize("path", ["/account/email", "/account/email/verification", "/account/email/cancellation"])
def test_an_anonymous_visitor_cannot_change_an_address(client: PageClient, path: str) -> None:
    answer = client.post(path, data={**client.form("/login"), "email": NEW})

    assert answer.headers["Location"].startswith("/login")


def version_after_change(app: Flask, client: PageClient, build: Builder, person: Person) -> int:
    """Change and confirm the person's address, and return the version that has it."""
    with acting(app):
        users.update(person.id, 1, {"email": NEW})
    confirm(app, person, client)
    user: User = build.read(User, person.id)
    assert user.email == NEW
    return user.version


def note_after_undo(client: PageClient, person: Person, version: int) -> str:
    newest = {"csrf_token": client.form("/account/")["csrf_token"], "version": version}
    assert client.post(f"/activity/people/{person.id}/undo", data=newest).status_code == 303
    return client.get(f"/users/{person.id}").text


@pytest.mark.parametrize("caller", ["ada", "root"])
@pytest.mark.parametrize("was_confirmed", [True, False])
@pytest.mark.parametrize("later", [None, True, False])
def test_undoing_a_change_restores_the_address_and_whether_it_was_confirmed(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant,
    ada: Person, root: Person, caller: str, was_confirmed: bool, later: bool | None,
) -> None:  # fmt: skip
    person = build.person("first@example.com", tenant=acme, email_verified=was_confirmed)
    version = version_after_change(app, other_client, build, person)
    if later is not None:  # written by another program
        with acting(app):
            command(db.session.execute)(update(User).where(User.id == person.id).values(email_verified=later))
    sign_in({"ada": ada, "root": root}[caller])

    page = note_after_undo(client, person, version)

    user = build.read(User, person.id)
    assert (user.email, user.email_verified, user.pending_email) == (person.email, was_confirmed, None)
    assert f"{person.name} signs in with {person.email} again." in page
    assert ("The address is not confirmed yet." in page) is not was_confirmed
    assert ("Not verified" in page) is not was_confirmed


def test_undoing_a_change_leaves_the_address_unconfirmed_if_the_actor_cannot_see_its_history(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant,
    ada: Person, root: Person,
) -> None:  # fmt: skip
    person = build.person("first@example.com", tenant=acme, email_verified=True)
    version = version_after_change(app, other_client, build, person)
    with acting(app):
        users.update(person.id, version, {"role": Role.SUPER_ADMIN})
        users.update(person.id, version + 1, {"role": Role.USER})
    sign_in(ada)

    page = note_after_undo(client, person, version)

    assert (build.read(User, person.id).email, build.read(User, person.id).email_verified) == (person.email, False)
    assert "The address is not confirmed yet." in page


def test_an_undone_change_can_be_redone_and_both_addresses_stay_confirmed(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person
) -> None:
    person = build.person("first@example.com", tenant=acme, email_verified=True)
    version = version_after_change(app, other_client, build, person)
    sign_in(ada)
    note_after_undo(client, person, version)

    page = note_after_undo(client, person, build.read(User, person.id).version)

    assert (build.read(User, person.id).email, build.read(User, person.id).email_verified) == (NEW, True)
    assert f"{person.name} signs in with {NEW} again." in page
