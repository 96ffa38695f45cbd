"""Ask for the row that an action on many rows needs, such as the team that people are added to."""

from __future__ import annotations

from typing import Any

from flask import request

from portal.core.text import tidy
from portal.resources.bulk import Entry
from portal.resources.relation import LONGEST, NOT_FOUND, SEVERAL
from portal.resources.resource import Resource, resources
from portal.web.forms import Form, TextField

FIELD = "entry"


class EntryForm(Form):
    """The name of a row. `row` is the one that it identifies, None if it may be empty."""

    entry = TextField("", longest=LONGEST)

    def __init__(self, asked: Entry) -> None:
        super().__init__()
        self.asked, self.row = asked, None
        self.resource: Resource[Any] = resources()[asked.table]
        self.entry.label.text = self.resource.noun.capitalize()
        self.entry.description = asked.none
        self.entry.flags.required = not asked.none
        self.entry.render_kw = {
            "list": "entry-options",
            "hx-get": self.resource.url("options", field=FIELD),
            "hx-trigger": "focus once, input delay:200ms",
            "hx-target": "#entry-options",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
            "autocomplete": "off",
            "placeholder": self.resource.typed_as,
        }

    def is_entered(self) -> bool:
        """Whether the form was sent and identifies a row, or may be empty and is."""
        if FIELD not in request.form or not self.validate():
            return False
        text = tidy(self.entry.data or "") or ""
        found = self.resource.identified_by(text) if text else []
        if len(found) == 1 or (not text and self.asked.none):
            self.row = found[0] if found else None
            return True
        self.entry.errors = [SEVERAL if found else NOT_FOUND.format(self.resource.noun)]
        return False
