"""Simple addresses are converted by PostgreSQL, exactly as signing in looks them up."""

from __future__ import annotations

import re

import pytest

from portal.adoption.unconvertible import PLAIN_EMAIL, canonical_slug
from portal.core.email_addresses import lookup_email


@pytest.mark.parametrize(
    "email",
    [
        "Ada@Example.com", "ADA.B_C+d-e@EXAMPLE.CO.UK", "a@b-c", "a@1.2.3.4", "a@example.test", "a@x.invalid",
        "a@localhost.localdomain", f"{'a' * 70}@example.com", f"a@{'b' * 70}.com", f"a@{'b.' * 140}com",
        "-@example.com",
    ],
)  # fmt: skip
def test_the_canonical_form_of_a_plain_address_is_its_lower_case(email: str) -> None:
    assert re.search(PLAIN_EMAIL, email.lower())

    assert lookup_email(email) == email.lower()


@pytest.mark.parametrize(
    "email", ["bücher@example.com", "a@bücher.example", "a b@example.com", " a@example.com", "a@xn--a.com"]
)
def test_other_addresses_are_converted_individually(email: str) -> None:
    assert not re.search(PLAIN_EMAIL, email)


def test_a_slug_is_normalized() -> None:
    assert canonical_slug(" Cafe\u0301") == canonical_slug("café") == "café"
