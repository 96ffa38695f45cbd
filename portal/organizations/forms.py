"""Forms for organizations."""

from __future__ import annotations

import re
from typing import Any

from wtforms import ValidationError
from wtforms.validators import DataRequired

from portal.organizations.models import LONGEST_SLUG, slug_of
from portal.organizations.permissions import ORGANIZATIONS_RENAME_SLUG
from portal.web.forms import EditForm, NewForm, RowForm, TextField

LONGEST_NAME = 120
WRONG = "Use lowercase letters, digits and single hyphens, such as acme-logistics."
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def valid_slug(_form: Any, field: Any) -> None:
    if field.data and not SLUG.fullmatch(field.data):
        raise ValidationError(WRONG)


class OrganizationForm(RowForm):
    """The fields of an organization. Only people who may change the URL name get that field."""

    layout = ("name", "slug")
    permissions = {"slug": ORGANIZATIONS_RENAME_SLUG}
    name = TextField("Name", longest=LONGEST_NAME, validators=(DataRequired("Enter the organization's name."),))
    slug = TextField(
        "URL name",
        longest=LONGEST_SLUG,
        validators=(DataRequired("Enter a URL name, such as acme-logistics."), valid_slug),
        description="Lowercase letters, digits and hyphens. Other systems may use it to identify the organization.",
        render_kw={"spellcheck": "false", "autocapitalize": "none"},
    )


class NewOrganizationForm(OrganizationForm, NewForm):
    """A new organization."""

    def __init__(self) -> None:
        super().__init__()
        self.slug.description = "Lowercase letters, digits and hyphens. Suggested from the name; you can change it."
        self.slug.render_kw = {**self.slug.render_kw, "data-slug-from": "name"}

    def validate(self, extra_validators: Any = None) -> bool:
        """If the URL name is empty, derive it from the name."""
        if not self.slug.data:
            self.slug.data = slug_of(self.name.data or "")
        return bool(super().validate(extra_validators))


class EditOrganizationForm(OrganizationForm, EditForm):
    """An existing organization."""
