"""The form of the SQL page."""

from __future__ import annotations

from typing import Any

from wtforms import TextAreaField, ValidationError
from wtforms.validators import DataRequired, Length

from portal.core.text import first_unseen
from portal.web.forms import Form

LONGEST = 10_000


def visible_only(_form: Any, field: Any) -> None:
    """Reject invisible characters: removing them would change the query, and keeping them could disguise it."""
    if unseen := first_unseen(field.data or ""):
        code = f"{ord(unseen):04X}"
        raise ValidationError(f"Remove the invisible character U+{code}, or write chr(x'{code}'::int).")


class QueryForm(Form):
    """A single SQL statement."""

    query = TextAreaField(
        "Query",
        validators=[
            DataRequired("Enter a query."),
            Length(max=LONGEST, message="The query is too long."),
            visible_only,
        ],
    )
