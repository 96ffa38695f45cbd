"""Forms for signing in, and behind mailed links."""

from __future__ import annotations

from wtforms import BooleanField, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from portal.users.forms import ChosenPasswordForm
from portal.users.passwords import LONGEST
from portal.web.forms import Form

LONGEST_CODE = 64


class LoginForm(Form):
    """Email and password. Errors never say which of them is wrong."""

    email = StringField("Email", validators=[InputRequired("Enter your email address."), Length(max=320)])
    password = PasswordField("Password", validators=[InputRequired("Enter your password."), Length(max=LONGEST)])
    keep = BooleanField("Keep me signed in")
    next = HiddenField()


class ForgottenForm(Form):
    """The address to which a reset link is sent."""

    email = StringField("Email", validators=[InputRequired("Enter your email address."), Length(max=320)])


class LinkForm(Form):
    """The form behind a mailed link. It names its link, because another one may be in the cookie by now."""

    link = HiddenField()


class LinkedPasswordForm(ChosenPasswordForm, LinkForm):
    """A new password, behind a mailed link."""


class PasskeyForm(Form):
    """A passkey's response, filled in by a script."""

    credential = HiddenField()
    next = HiddenField()


class TwoFactorForm(Form):
    """A code; a passkey's response comes with the form above."""

    code = StringField("Code", validators=[InputRequired("Enter a code."), Length(max=LONGEST_CODE)])
