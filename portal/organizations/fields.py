"""A form's field for an organization."""

from __future__ import annotations

from typing import Any

from flask import request, url_for
from wtforms import ValidationError

from portal.organizations import queries
from portal.organizations.models import Organization
from portal.web.forms import TextField

LONGEST = 120
SUGGESTED = "Suggestions appear as you type."


class OrganizationField(TextField):
    """An organization by its URL name, its key, or its name if no other has the same; `row` is what was found."""

    def __init__(self, label: str = "Organization", **kwargs: Any) -> None:
        super().__init__(label, longest=LONGEST, default=named_in_url, description=SUGGESTED, **kwargs)
        self.row: Organization | None = None
        self.render_kw = {
            "spellcheck": "false",
            "list": f"{self.name}-options",
            "hx-get": url_for("organizations.options", field=self.name),
            "hx-trigger": "input delay:200ms",
            "hx-target": f"#{self.name}-options",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
        }

    def pre_validate(self, form: Any) -> None:
        if not self.data:
            return
        found = queries.identified_by(self.data)
        if len(found) != 1:
            several = "Several organizations have this name. Enter the URL name."
            raise ValidationError(several if found else "No such organization. Enter its name or its URL name.")
        self.row = found[0]


def named_in_url() -> str:
    """The organization whose slug is in the URL, by its name, or by its slug if others share the name."""
    slug = request.args.get("organization", "")
    found = queries.identified_by(slug) if slug else []
    return found[0].name if len(found) == 1 and queries.identified_by(found[0].name) == found else slug
