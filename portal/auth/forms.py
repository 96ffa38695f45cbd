"""Forms for signing in and for emailed links."""

from __future__ import annotations

from wtforms import BooleanField, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from portal.users.forms import ChosenPasswordForm
from portal.users.passwords import LONGEST
from portal.web.forms import Form
from portal.web.urls import safe_next

LONGEST_CODE = 64


def _within(target: str | None) -> str:
    return safe_next(target, "")


class LoginForm(Form):
    """Email and password. Errors never reveal which of them is wrong."""

    email = StringField("Email", validators=[InputRequired("Enter your email address."), Length(max=320)])
    password = PasswordField("Password", validators=[InputRequired("Enter your password."), Length(max=LONGEST)])
    keep = BooleanField("Keep me signed in")
    next = HiddenField(filters=(_within,))


class ForgottenForm(Form):
    """The address to which a reset link is sent."""

    email = StringField("Email", validators=[InputRequired("Enter your email address."), Length(max=320)])


class LinkForm(Form):
    """The form behind an emailed link. It identifies its link, because the cookie may contain another one by now."""

    link = HiddenField()


class LinkedPasswordForm(ChosenPasswordForm, LinkForm):
    """A new password, behind an emailed link."""


class PasskeyForm(Form):
    """A passkey's response, filled in by a script."""

    credential = HiddenField()
    next = HiddenField(filters=(_within,))


class TwoFactorForm(Form):
    """A code. A passkey's response is sent with PasskeyForm."""

    code = StringField("Code", validators=[InputRequired("Enter a code."), Length(max=LONGEST_CODE)])
