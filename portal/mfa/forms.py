"""What is asked for where the second step is set up, and at the door?"""

from __future__ import annotations

from wtforms import HiddenField, PasswordField, StringField
from wtforms.validators import InputRequired, Length

from portal.web.forms import Form, TextField
from portal.web.reauthentication import LONGEST

LONGEST_NAME = 60


class AuthenticatorForm(Form):
    """The code that proves that the app has the secret, which travels with the form, encrypted."""

    sealed = HiddenField()
    code = StringField("Code", validators=[InputRequired("Write the six digits that the app shows."), Length(max=64)])


class PasskeyForm(Form):
    name = TextField("Name", longest=LONGEST_NAME)
    credential = HiddenField()


class RemovalForm(Form):
    """Which one (empty: the app), and the password."""

    passkey = HiddenField()
    password = PasswordField("Your password", validators=[InputRequired("Write your password."), Length(max=LONGEST)])
