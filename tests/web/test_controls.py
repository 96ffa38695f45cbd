"""Controls of forms are what WTForms renders."""

from __future__ import annotations

from typing import Any

import html5lib
import pytest
from flask import Flask
from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, PasswordField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import InputRequired

from portal.web.controls import control

HOSTILE = "\"'><script>{}"


class Everything(FlaskForm):  # type: ignore[misc]
    text = StringField("Text", validators=[InputRequired()], render_kw={"type": "email", "spellcheck": "false"})
    hidden = HiddenField()
    password = PasswordField("Password")
    yes = BooleanField("Yes")
    choice = SelectField("Choice", choices=[SelectChoice("a", "A"), SelectChoice(HOSTILE, HOSTILE)])


def attributes_of(markup: Any) -> list[tuple[str, dict[str, str], str | None]]:
    found = html5lib.parseFragment(str(markup), namespaceHTMLElements=False)
    return [(one.tag, dict(one.attrib), one.text) for one in found.iter()]


@pytest.mark.parametrize("name", ["text", "hidden", "password", "yes", "choice"])
@pytest.mark.parametrize("data", [None, HOSTILE])
def test_a_control_is_what_wtforms_renders(app: Flask, name: str, data: str | None) -> None:
    given = {"class": "form-control", "aria-describedby": "x", "maxlength": False, "autofocus": True}
    with app.test_request_context():
        field = Everything(data={name: data})[name]

        assert attributes_of(control(field, given)) == attributes_of(
            field.widget(field, **(field.render_kw or {}), **given)
        )
