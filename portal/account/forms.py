"""Forms for a person's own account."""

from __future__ import annotations

from typing import Any

from wtforms import PasswordField, SelectField, ValidationError
from wtforms.validators import InputRequired, Length

from portal.users.forms import LONGEST_NAME, ChosenPasswordForm, EmailField
from portal.users.models import User
from portal.users.passwords import LONGEST, prepared
from portal.web.forms import Form, StoredForm, TextField
from portal.web.zones import choices


class ProfileForm(StoredForm):
    """The person's names and time zone."""

    first_name = TextField("First name", longest=LONGEST_NAME)
    last_name = TextField("Last name", longest=LONGEST_NAME)
    time_zone = SelectField("Time zone", choices=choices)

    def __init__(self, user: User) -> None:
        super().__init__({name: getattr(user, name) or "" for name in ("first_name", "last_name", "time_zone")})
        zones: Any = self.time_zone
        if self.stored["time_zone"] not in {one.value for one in zones.iter_choices()}:
            self.time_zone.choices = {**choices(), "Other": [(user.time_zone, user.time_zone)]}

    def values(self) -> dict[str, Any]:
        return self.changes({name: self[name].data for name in self.stored})


class PasswordForm(ChosenPasswordForm):
    """The new and the current password."""

    current_password = PasswordField(
        "Current password", validators=[InputRequired("Enter your current password."), Length(max=LONGEST)]
    )

    def validate_password(self, field: Any) -> None:
        super().validate_password(field)
        if prepared(field.data) == prepared(self.current_password.data or ""):
            raise ValidationError("Choose a different password.")


class EmailForm(Form):
    """A new address, which takes effect once it is confirmed."""

    email = EmailField("New email")
    current_password = PasswordField(
        "Current password", validators=[InputRequired("Enter your current password."), Length(max=LONGEST)]
    )
