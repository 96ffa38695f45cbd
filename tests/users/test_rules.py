"""The same password rule applies and is shown wherever a person chooses a password."""

from __future__ import annotations

import re

import pyotp
import pytest
from flask import Flask

from portal.core.clock import now
from portal.mfa import codes
from portal.mfa import commands as mfa
from portal.users import passwords
from portal.users.rules import rule_for, rule_for_new
from tests.acting import acting
from tests.cast import Person, SignIn
from tests.mailbox import email_of, path_of
from tests.pages import PageClient

REQUIREMENT = re.compile(r"At least (\d+) characters")
ERROR = re.compile(r"Use (\d+) characters or more")


def minimum_length(client: PageClient, path: str, **typed: str) -> tuple[str, str]:
    """The minimum length according to the page, and according to the error message."""
    required = REQUIREMENT.search(client.get(path).text)
    refused = ERROR.search(client.send(path, {"password": "abcdefg", **typed}).text)
    assert required, path
    assert refused, path
    return required.group(1), refused.group(1)


@pytest.mark.parametrize(("has_factor", "minimum"), [(True, "8"), (False, "15")])
def test_au1_account_page_reset_link_and_command_line_require_the_same_length(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person, has_factor: bool, minimum: str
) -> None:
    sign_in(uma)
    if has_factor:
        secret = codes.new_secret()
        with acting(app, uma):
            mfa.add_authenticator(secret, pyotp.TOTP(secret).at(now()))

    in_account = minimum_length(client, "/account/password", current_password=uma.password)
    client.get(path_of(email_of(app, "password_reset", uma.id)))
    by_link = minimum_length(client, "/password/reset")
    by_command = app.test_cli_runner().invoke(args=["users", "set-password", uma.email, "--password", "abcdefg"])

    assert in_account == by_link == (minimum, minimum)
    assert f"Use {minimum} characters or more" in by_command.output


def test_au3_account_page_reset_link_and_command_line_refuse_the_same_words(
    app: Flask, client: PageClient, sign_in: SignIn, uma: Person
) -> None:
    typed = "acme-uma-example-2031"
    sign_in(uma)
    in_account = client.send("/account/password", {"current_password": uma.password, "password": typed}).text
    client.get(path_of(email_of(app, "password_reset", uma.id)))
    by_link = client.send("/password/reset", {"password": typed}).text
    by_command = app.test_cli_runner().invoke(args=["users", "set-password", uma.email, "--password", typed]).output

    for answer in (in_account, by_link, by_command):
        assert "This consists mostly of your name" in answer


def test_new_people_need_the_password_length_for_accounts_without_two_factor(app: Flask, uma: Person) -> None:
    with acting(app):
        known, new = rule_for(uma.id), rule_for_new(uma.email)

        assert known.minimum == new.minimum == passwords.shortest(has_two_factor=False)
        assert {"acme", "Acme", uma.name, uma.email} <= set(known.words)
