"""Does an address count only once its owner confirmed it, and can the letters be called off and asked for again?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.users import commands
from portal.users.models import User
from tests.acting import acting
from tests.cast import PASSWORD, Builder, Person, SignIn
from tests.mailbox import jobs, letter_of, letters, path_of
from tests.pages import PageClient

NEW = "uma.new@example.com"


def ask(client: PageClient, email: str = NEW, password: str = PASSWORD) -> int:
    return client.send("/account/email", {"email": email, "current_password": password}).status_code


def test_a_change_asks_for_the_password_and_another_address(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, uma: Person
) -> None:
    sign_in(uma)

    assert ask(client, password="wrong password") == 422
    assert ask(client, "nonsense") == 422
    assert ask(client, uma.email) == 422

    assert build.read(User, uma.id).pending_email is None
    assert jobs(app) == []


def test_au4_asking_tells_nobody_whether_the_address_is_in_use(
    client: PageClient, sign_in: SignIn, uma: Person, bea: Person
) -> None:
    sign_in(uma)

    assert ask(client, bea.email) == ask(client, "free@example.com") == 303


def test_a_change_that_is_called_off_leaves_a_dead_link(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder, uma: Person
) -> None:
    sign_in(uma)
    ask(client)
    link = path_of(letter_of(app, "verification", uma.id))
    assert f"Waiting for {NEW}" in client.get("/account/email").text

    client.send("/account/email/cancellation", at="/account/email")

    client.get(link)
    assert client.get("/verify").status_code == 410
    assert build.read(User, uma.id).pending_email is None
    assert letter_of(app, "verification", uma.id).recipient == uma.email  # which is not confirmed either


def test_letters_to_an_address_are_not_sent_without_end(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, at_settings: Callable[..., None]
) -> None:
    at_settings(letters_per_hour=4)
    sign_in(uma)
    assert [ask(client, f"victim{number}@example.com") for number in range(3)] == [303, 303, 429]

    client.send("/account/email/verification", at="/account/email")

    assert "Enough letters for now" in client.get("/account/email").text
    assert len(jobs(app)) == 2


def test_an_administrators_change_counts_at_once_and_both_addresses_hear_of_it(
    app: Flask, build: Builder, ada: Person, uma: Person
) -> None:
    with acting(app, ada):
        commands.update_user(uma.id, 1, {"email": NEW})
        commands.update_user(uma.id, 2, {"email": "uma.newer@example.com"})

    user = build.read(User, uma.id)
    assert (user.email, user.email_verified) == ("uma.newer@example.com", False)
    told = [letter.recipient for letter in letters(app) if letter.subject == "Your e-mail address was changed"]
    assert told == [uma.email, NEW]


def test_an_administrator_has_the_link_sent_again_until_it_is_confirmed(
    app: Flask, client: PageClient, other_client: PageClient, sign_in: SignIn, ada: Person, uma: Person
) -> None:
    sign_in(ada)
    client.send(f"/users/{uma.id}/verification", at=f"/users/{uma.id}")
    (letter,) = letters(app)
    assert letter.recipient == uma.email

    other_client.get(path_of(letter))
    other_client.send("/verify")

    assert "Verified" in client.get(f"/users/{uma.id}").text
    assert client.post(f"/users/{uma.id}/verification", data=client.form(f"/users/{uma.id}")).status_code == 409


@pytest.mark.parametrize("path", ["/account/email", "/account/email/verification", "/account/email/cancellation"])
def test_a_stranger_changes_no_address(client: PageClient, path: str) -> None:
    answer = client.post(path, data={**client.form("/login"), "email": NEW})

    assert answer.headers["Location"].startswith("/login")
