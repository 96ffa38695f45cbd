"""Forms for saved views."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from flask import request
from wtforms import HiddenField, SelectField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired, Length

from portal.core.actor import current_actor
from portal.core.text import has_control
from portal.saved_views.models import LOCKED, OPEN, PRIVATE
from portal.web.forms import EditForm, NewForm, RowForm, TextField
from portal.web.given import lists
from portal.web.urls import path_of

LONGEST_QUERY = 2000
SEEN = "Only super administrators can also see a private view and its history."
TOO_LONG = "This list has too many filters to be saved. Remove some, then try again."


def sharing_choices() -> list[SelectChoice]:
    everyone = "All super administrators" if current_actor().is_unlimited else "All administrators"
    return [
        SelectChoice(PRIVATE, "Only you"),
        SelectChoice(OPEN, f"{everyone}, who can also change it"),
        SelectChoice(LOCKED, f"{everyone}, but only you can change it"),
    ]


class SavedViewForm(RowForm):
    """The name of a view, and who sees it."""

    layout: ClassVar[tuple[str, ...]] = ("name", "sharing")
    name = TextField("Name", longest=60, validators=(DataRequired("Enter a name for the view."),))
    sharing = SelectField("Who can use it", description=SEEN)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sharing.choices = sharing_choices()


class NewSavedViewForm(SavedViewForm, NewForm):
    """A new view of the list that the URL names."""

    needs_arguments = True
    list_name = HiddenField(default=lambda: request.args.get("list", ""))
    query = HiddenField(
        default=lambda: request.args.get("query", ""), validators=(Length(max=LONGEST_QUERY, message=TOO_LONG),)
    )

    @property
    def cancel_url(self) -> str:
        """The list that is not saved then."""
        query = urlencode(parse_qsl((self.query.data or "")[:LONGEST_QUERY]))
        return f"{path_of(f'{self.list_name.data}.index')}?{query}" if self.list_name.data in lists() else ""

    def validate(self, extra_validators: Any = None) -> bool:
        """The hidden fields have no place for an error of their own."""
        is_valid: bool = super().validate(extra_validators)
        self.form_errors += [*self.list_name.errors, *self.query.errors]
        return is_valid

    def validate_list_name(self, field: Any) -> None:
        if field.data not in lists():
            raise ValidationError("To create a view, open a list, choose filters and columns, then save it as a view.")

    def validate_query(self, field: Any) -> None:
        if has_control(field.data or ""):
            field.data = ""
            raise ValidationError("This list can't be saved, because its URL contains invisible characters.")

    def values(self) -> dict[str, Any]:
        return {**super().values(), "list_name": self.list_name.data, "query": self.query.data or ""}


class EditSavedViewForm(SavedViewForm, EditForm):
    """An existing view. What it shows is saved from its list."""
