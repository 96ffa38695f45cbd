"""What may be typed about a person?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import pytest
from flask import Flask

from portal.core.actor import Actor, Role
from portal.core.db import acting_as
from portal.core.emails import canonical_email
from portal.core.text import tidy
from portal.users.forms import UserForm
from tests.cast import Person


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("ada+tag@example.com", "ada+tag@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ADA@BÜCHER.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_au12_an_address_has_one_canonical_form(typed: str, kept: str) -> None:
    assert canonical_email(typed) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "ada", "@", "ada@", "@example.com", "a@@b.com", "a b@example.com", "ada@example", "ada@-x.com",
     "\u0430da@example.com", "ad\u0131@example.com", "ada@ex\u0430mple.com", "ada@exa_mple.com",
     "ada@" + "a." * 130 + "com", "ada@example.com\nBcc: x@example.com", "ada@[127.0.0.1]"],
)  # fmt: skip
def test_au12_what_is_no_address_or_looks_like_another_is_refused_in_words(typed: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        canonical_email(typed)


@pytest.fixture
def as_ada(app: Flask, ada: Person) -> Iterator[None]:
    with app.test_request_context(method="POST"), acting_as(Actor(ada.id, Role.ADMIN, ada.organization_id)):
        yield


def test_in6_text_is_trimmed_and_normalised_once(app: Flask) -> None:
    assert tidy("  Ada \u00a0  Lovelace\t") == "Ada Lovelace"
    assert tidy("e\u0301") == "é"
    assert tidy("   ") is None
    assert tidy(None) is None


def test_in6_a_thousand_letters_come_back_as_they_were_typed(app: Flask) -> None:
    letters = [chr(code) for code in range(0xA1, 0x2FFF, 11) if unicodedata.category(chr(code))[0] in "LNPS"]
    assert len(letters) > 800

    for letter in letters:
        kept = unicodedata.normalize("NFC", letter)
        assert tidy(f"x{letter}x") == unicodedata.normalize("NFC", f"x{kept}x")


def offered(form: UserForm) -> list[str]:
    return re.findall(r'value="([^"]+)"', str(form.role()))


@pytest.mark.usefixtures("as_ada")
def test_an_admin_is_offered_two_roles_and_no_organization() -> None:
    form = UserForm()

    assert offered(form) == ["USER", "ADMIN"]
    assert "organization_id" not in form


def test_a_super_admin_is_offered_every_role_and_the_organization(app: Flask, root: Person) -> None:
    with app.test_request_context(method="POST"), acting_as(Actor(root.id, Role.SUPER_ADMIN)):
        form = UserForm()

        assert offered(form) == ["USER", "ADMIN", "SUPER_ADMIN"]
        assert "organization_id" in form


@pytest.mark.parametrize("text", ["a\x1bb", "a\x00b", "a\x7fb", "\x85x\x9f"])
def test_in6_control_characters_are_refused(app: Flask, ada: Person, text: str) -> None:
    sent = {"first_name": text, "email": "a@example.com", "role": "USER", "is_active": "true"}
    actor = Actor(ada.id, Role.ADMIN, ada.organization_id)
    with app.test_request_context(method="POST", data=sent), acting_as(actor):
        form = UserForm(meta={"csrf": False})

        assert not form.validate()
        assert form.first_name.errors == ["Leave out control characters."]


@pytest.mark.parametrize(("size", "fits"), [(80, True), (81, False)])
def test_in7_lengths_are_checked_before_the_database(app: Flask, ada: Person, size: int, *, fits: bool) -> None:
    sent = {"first_name": "é" * size, "email": "a@example.com", "role": "USER", "is_active": "true"}
    actor = Actor(ada.id, Role.ADMIN, ada.organization_id)
    with app.test_request_context(method="POST", data=sent), acting_as(actor):
        assert UserForm(meta={"csrf": False}).validate() is fits
