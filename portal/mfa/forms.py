"""Forms for setting up and removing second factors."""

from __future__ import annotations

from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from portal.web.forms import Form, TextField
from portal.web.reauthentication import LONGEST

LONGEST_NAME = 60


class AuthenticatorForm(Form):
    """The app's code, and its secret, encrypted."""

    sealed = HiddenField()
    code = StringField("Code", validators=[InputRequired("Enter the six digits that the app shows."), Length(max=64)])


class PasskeyForm(Form):
    name = TextField("Name", longest=LONGEST_NAME)
    credential = HiddenField()


class RemovalForm(Form):
    """The passkey to remove, or the app if it is empty, and the password."""

    passkey = HiddenField()
    password = PasswordField("Your password", validators=[InputRequired("Enter your password."), Length(max=LONGEST)])
