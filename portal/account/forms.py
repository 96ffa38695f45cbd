"""What may somebody change about themselves?"""

from __future__ import annotations

from typing import Any

from flask_login import current_user
from wtforms import PasswordField, ValidationError
from wtforms.validators import DataRequired, InputRequired, Length

from portal.users.forms import LONGEST_EMAIL, LONGEST_NAME, valid_email
from portal.users.passwords import LONGEST, problem_of, shortest
from portal.web.forms import Form, TextField


class ProfileForm(Form):
    first_name = TextField("First name", longest=LONGEST_NAME)
    last_name = TextField("Last name", longest=LONGEST_NAME)


class PasswordForm(Form):
    """A new password, and the one it replaces."""

    current_password = PasswordField(
        "Current password", validators=[InputRequired("Write your current password."), Length(max=LONGEST)]
    )
    password = PasswordField("New password", validators=[InputRequired("Choose a new password.")])

    def validate_password(self, field: Any) -> None:
        problem = problem_of(field.data, shortest(has_second_factor=current_user.has_second_factor))
        if problem is None and field.data == self.current_password.data:
            problem = "Choose one that you don’t have already."
        if problem:
            raise ValidationError(problem)


class EmailForm(Form):
    """A new address, which counts once it is confirmed."""

    email = TextField(
        "New e-mail",
        longest=LONGEST_EMAIL,
        validators=(DataRequired("Write the address, like name@example.com."), valid_email),
    )
    current_password = PasswordField(
        "Current password", validators=[InputRequired("Write your current password."), Length(max=LONGEST)]
    )
