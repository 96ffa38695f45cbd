"""Invisible characters cannot get through any text field of any form."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterator

import pytest
from flask import Flask
from wtforms import Field, PasswordField, StringField
from wtforms.fields.core import UnboundField

from portal.config import ROOT
from portal.organizations.forms import NumberField
from portal.organizations.models import Organization
from portal.users.models import User
from portal.web.forms import Form, TextField
from tests.access.visitor import Visitor
from tests.cast import Builder, Person
from tests.pages import HTMX

# One of each kind: default ignorable, direction, filler, tag, blank, annotation, selector.
INVISIBLE = [
    "\u200b",
    "\u00ad",
    "\u202e",
    "\u2067",
    "\u3164",
    "\U000e0041",
    "\u2800",
    "\ufeff",
    "\ufff9",
    "\ufe0f",
    "\u180e",
]
# Codes are read by mfa/codes.py, emails at sign-in by core/email_addresses.py, pasted addresses by imports/parsing.py;
# queries are run unchanged.
READ_ELSEWHERE = {"code", "query", "addresses", "portal.auth.forms.email"}


def text_fields() -> Iterator[tuple[str, type[Field]]]:
    """Every text field of every form."""
    for path in sorted((ROOT / "portal").glob("*/forms.py")):
        module = importlib.import_module(f"portal.{path.parent.name}.forms")
        for form in vars(module).values():
            if isinstance(form, type) and issubclass(form, Form):
                for name, field in vars(form).items():
                    if isinstance(field, UnboundField) and issubclass(field.field_class, StringField):
                        yield (
                            f"{module.__name__}.{name}" if path.parent.name == "auth" and name == "email" else name,
                            field.field_class,
                        )


def test_every_text_field_is_tidied() -> None:
    typed = [(name, kind) for name, kind in text_fields() if not _is_hidden_or_password(kind)]

    assert len(typed) > 8
    tidied = (TextField, NumberField)
    assert [name for name, kind in typed if not issubclass(kind, tidied) and name not in READ_ELSEWHERE] == []


def _is_hidden_or_password(kind: type[Field]) -> bool:
    return issubclass(kind, PasswordField) or kind.__name__ == "HiddenField"


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])
@pytest.mark.parametrize("invisible", INVISIBLE, ids=lambda one: f"U+{ord(one):04X}")
def test_invisible_characters_are_stripped_from_every_name(
    app: Flask, root: Person, build: Builder, invisible: str, headers: dict[str, str]
) -> None:
    visitor = Visitor(app, root)
    names = {"first_name": f"{invisible}An{invisible}ne", "last_name": f"Be{invisible}rg{invisible}"}

    person = visitor.post(
        "/users/new",
        {**names, "email": f"an{invisible}ne@example.com", "role": "USER", "is_active": "true"},
        headers=headers,
    )
    organization = visitor.post(
        "/organizations/new", {"name": f"No{invisible}rth", "slug": f"no{invisible}rth"}, headers=headers
    )

    user = build.read(User, _id_in(person))
    assert (user.first_name, user.last_name, user.email) == ("Anne", "Berg", "anne@example.com")
    made = build.read(Organization, _id_in(organization))
    assert (made.name, made.slug) == ("North", "north")


def _id_in(answer: object) -> uuid.UUID:
    headers = answer.headers  # type: ignore[attr-defined]
    return uuid.UUID((headers.get("Location") or headers["HX-Redirect"]).split("/")[-1])


@pytest.mark.parametrize("invisible", INVISIBLE, ids=lambda one: f"U+{ord(one):04X}")
def test_a_name_of_invisible_characters_is_empty(
    app: Flask, uma: Person, root: Person, build: Builder, invisible: str
) -> None:
    profile = Visitor(app, uma).post(
        "/account/", {"first_name": invisible * 3, "last_name": f" {invisible} \u200d", "time_zone": ""}
    )
    nameless = Visitor(app, root).post("/organizations/new", {"name": invisible, "slug": "nameless"})

    user = build.read(User, uma.id)
    assert (profile.status_code, user.first_name, user.last_name) == (303, None, None)
    assert nameless.status_code == 422


@pytest.mark.parametrize("name", ["نامه\u200cای", "ශ්\u200dරී", "Ada 👩🏽\u200d💻", "❤\ufe0f\u200d🔥"])
def test_joiners_inside_words_and_emoji_are_kept(app: Flask, uma: Person, build: Builder, name: str) -> None:
    Visitor(app, uma).post("/account/", {"first_name": f"\u200d{name}\u200c", "last_name": "Berg", "time_zone": ""})

    assert build.read(User, uma.id).first_name == name


def test_a_control_character_or_noncharacter_is_refused(app: Flask, uma: Person) -> None:
    for name in ("a\x1bb", "a\ufdd0b", "a\U0001fffeb"):
        assert Visitor(app, uma).post("/account/", {"first_name": name, "time_zone": ""}).status_code == 422


def test_names_from_the_command_line_are_read_the_same_way(app: Flask) -> None:
    made = app.test_cli_runner().invoke(
        args=["users", "create", "n@example.com", "--first-name", " An\u200bne\u202e ", "--last-name", "\u3164"]
    )
    long = app.test_cli_runner().invoke(args=["users", "create", "m@example.com", "--first-name", "x" * 81])
    control = app.test_cli_runner().invoke(args=["users", "create", "m@example.com", "--first-name", "a\x1bb"])

    assert made.exit_code == 0
    assert (long.exit_code, control.exit_code) == (2, 2)
    assert "80 characters at most" in long.output
    assert "control characters" in control.output
