"""What may be asked in one's own words?"""

from __future__ import annotations

from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from portal.web.forms import Form

LONGEST = 10_000


class QueryForm(Form):
    """One statement of SQL."""

    query = TextAreaField(
        "Query", validators=[DataRequired("Write a query."), Length(max=LONGEST, message="That is too long.")]
    )
