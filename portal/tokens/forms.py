"""The form for creating an API token."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from flask import current_app
from wtforms import HiddenField, SelectField, SelectMultipleField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import InputRequired

from portal.core.actor import current_actor
from portal.core.policy import allows
from portal.web.forms import Form, TextField
from portal.web.given import permissions
from portal.web.guards import PROFILE, scopes_in_use
from portal.web.signed_keys import read_row

DAYS = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "1 year"}


def scopes_held() -> list[SelectChoice]:
    """The scopes that the actor may grant: their own permissions, if the API uses them."""
    held = {PROFILE, *(name for name, one in permissions().items() if allows(current_actor(), one))}
    usable = held & scopes_in_use(current_app)
    return [SelectChoice(scope, label) for scope, label in scope_labels().items() if scope in usable]


def scope_labels() -> dict[str, str]:
    """The scopes with their labels."""
    return {PROFILE: "Read your profile", **{name: one.label for name, one in permissions().items()}}


class TokenForm(Form):
    """The name, permissions and expiry of an API token."""

    row = HiddenField()
    name = TextField("Name", longest=80, validators=(InputRequired("Enter a name, such as the name of the program."),))
    days = SelectField("Expires in", choices=[SelectChoice(*one) for one in DAYS.items()], default="30")
    scopes = SelectMultipleField(
        "Permissions", validators=[InputRequired("Choose at least one permission.")], default=[PROFILE]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scopes.choices = scopes_held()

    def row_id(self) -> uuid.UUID:
        return read_row(self.row.data)

    def lasts(self) -> timedelta:
        return timedelta(days=int(self.days.data))
