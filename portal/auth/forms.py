"""What is typed at the door?"""

from __future__ import annotations

from wtforms import BooleanField, HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from portal.users.forms import ChosenPasswordForm
from portal.users.passwords import LONGEST
from portal.web.forms import Form

LONGEST_CODE = 64


class LoginForm(Form):
    """Email and password. What is wrong with them is never said apart."""

    email = StringField("Email", validators=[InputRequired("Write your email address."), Length(max=320)])
    password = PasswordField("Password", validators=[InputRequired("Enter your password."), Length(max=LONGEST)])
    keep = BooleanField("Keep me signed in")
    next = HiddenField()


class ForgottenForm(Form):
    """Whose password is to be set anew."""

    email = StringField("Email", validators=[InputRequired("Write your email address."), Length(max=320)])


class LinkForm(Form):
    """What a mailed link is for. The form knows by which link it was opened: another may be in the cookie by now."""

    link = HiddenField()


class LinkedPasswordForm(ChosenPasswordForm, LinkForm):
    """A password, for whom a link was mailed to."""


class PasskeyForm(Form):
    """What the browser's script fills in."""

    credential = HiddenField()
    next = HiddenField()


class TwoFactorForm(Form):
    """A code; a passkey's answer comes by the form above."""

    code = StringField("Code", validators=[InputRequired("Write a code."), Length(max=LONGEST_CODE)])
