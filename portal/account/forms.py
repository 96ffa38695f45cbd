"""Forms for a person's own account."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape
from wtforms import PasswordField, SelectField, ValidationError
from wtforms.validators import InputRequired, Length
from wtforms.widgets import Select, html_params

from portal.users.forms import LONGEST_NAME, ChosenPasswordForm, EmailField
from portal.users.models import User
from portal.users.passwords import LONGEST, prepared
from portal.web.forms import Form, StoredForm, TextField
from portal.web.zones import choices, is_offered


@lru_cache(maxsize=1)
def _options() -> str:
    """The options of all time zones, none of them selected: rendering 420 takes longer than the rest of the page."""
    return "".join(_group(region, places) for region, places in choices().items())


def _group(region: str, places: Iterable[tuple[str, str]]) -> str:
    options = "".join(f"<option {html_params(value=value)}>{escape(label)}</option>" for value, label in places)
    return f"<optgroup {html_params(label=region)}>{options}</optgroup>"


class ZoneSelect(Select):
    """A select of time zones, whose options differ only in which one is selected."""

    def __call__(self, field: Any, **kwargs: Any) -> Markup:
        others = (_group(*one) for one in field.choices.items() if one[0] not in choices())
        options = "".join((_options(), *others))
        chosen = html_params(value=field.data)
        options = options.replace(f"<option {chosen}>", f"<option selected {chosen}>", 1)
        attributes = html_params(name=field.name, **{"id": field.id, **kwargs})
        return Markup(f"<select {attributes}>{options}</select>")  # noqa: S704 -- every part is escaped


class ProfileForm(StoredForm):
    """The person's names and time zone."""

    first_name = TextField("First name", longest=LONGEST_NAME)
    last_name = TextField("Last name", longest=LONGEST_NAME)
    time_zone = SelectField("Time zone", choices=choices, widget=ZoneSelect())

    def __init__(self, user: User) -> None:
        super().__init__({name: getattr(user, name) or "" for name in ("first_name", "last_name", "time_zone")})
        if not is_offered(self.stored["time_zone"]):
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
