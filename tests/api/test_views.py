"""The API reveals the state of two-factor authentication only to somebody who knows the password."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.access.visitor import Visitor
from tests.api.calling import LOGIN, Program
from tests.cast import PASSWORD, Person
from tests.mfa.test_views import Phone, actions_of, at_one_moment, set_up

WRONG = "another horse battery staple"


_ = at_one_moment  # for this module, too


@pytest.fixture
def phone(app: Flask, uma: Person) -> Phone:
    return set_up(Visitor(app, uma))


def sign_in(app: Flask, email: str, password: str, **more: str) -> tuple[int, dict[str, Any]]:
    answer = Program(app).post(LOGIN, {"email": email, "password": password, **more})
    body = dict(answer.json or {})
    body.pop("request_id", None)
    return answer.status_code, body


def test_missing_and_wrong_codes_differ_once_the_password_is_right(app: Flask, uma: Person, phone: Phone) -> None:
    missing, wrong = sign_in(app, uma.email, PASSWORD), sign_in(app, uma.email, PASSWORD, otp="000000")
    right = sign_in(app, uma.email, PASSWORD, otp=phone.code())
    again = sign_in(app, uma.email, PASSWORD, otp=phone.code())

    assert (missing[0], missing[1]["code"]) == (401, "two_factor_required")
    assert (wrong[0], wrong[1]["code"]) == (401, "two_factor_invalid")
    assert right[0] == 200
    assert (again[0], again[1]["code"]) == (401, "two_factor_invalid")


def test_au4_without_the_password_nothing_reveals_whether_two_factor_is_on(
    app: Flask, uma: Person, ada: Person, phone: Phone
) -> None:
    answers = [
        sign_in(app, email, WRONG, **more)
        for email in (uma.email, ada.email, "nobody@example.com")
        for more in ({}, {"otp": "000000"}, {"otp": phone.code()})
    ]

    assert answers == [answers[0]] * len(answers)
    assert answers[0][1]["code"] == "invalid_credentials"
    assert "two_factor_failed" not in actions_of(app, uma)
    assert sign_in(app, uma.email, PASSWORD, otp=phone.code())[0] == 200  # the code was not spent
