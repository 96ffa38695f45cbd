"""What is typed at the door?"""

from __future__ import annotations

from typing import Any

from flask import current_app
from wtforms import BooleanField, HiddenField, PasswordField, StringField, ValidationError
from wtforms.validators import InputRequired, Length

from portal.users.passwords import LONGEST, problem_of
from portal.web.forms import Form

LONGEST_CODE = 64


class LoginForm(Form):
    """E-mail and password. What is wrong with them is never said apart."""

    email = StringField("E-mail", validators=[InputRequired("Write your e-mail address."), Length(max=320)])
    password = PasswordField("Password", validators=[InputRequired("Write your password."), Length(max=LONGEST)])
    keep = BooleanField("Keep me signed in")
    next = HiddenField()


class ForgottenForm(Form):
    """Whose password is to be set anew."""

    email = StringField("E-mail", validators=[InputRequired("Write your e-mail address."), Length(max=320)])


class ChoiceForm(Form):
    """A password, for somebody who came by a mailed link."""

    password = PasswordField("New password", validators=[InputRequired("Choose a password.")])

    def validate_password(self, field: Any) -> None:
        if problem := problem_of(field.data, current_app.extensions["portal"].password_minimum):
            raise ValidationError(problem)


class PasskeyForm(Form):
    """What the browser's script fills in."""

    credential = HiddenField()
    next = HiddenField()


class SecondStepForm(Form):
    """A code, or a passkey's answer."""

    code = StringField("Code", validators=[Length(max=LONGEST_CODE)])
    credential = HiddenField()
