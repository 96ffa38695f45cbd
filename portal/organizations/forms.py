"""Forms for organizations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import url_for
from wtforms import SelectField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]
from wtforms.validators import DataRequired

from portal.core.text import tidy
from portal.organizations.members import members
from portal.organizations.models import LONGEST_SLUG, Organization, slug_of
from portal.organizations.permissions import ORGANIZATIONS_LIMIT, ORGANIZATIONS_RENAME_SLUG
from portal.organizations.settings import (
    INVITERS,
    LABELS,
    NO_ADMIN,
    OWN_TWO_FACTOR,
    TWO_FACTOR_FOR,
    problems,
    read_domains,
    shown_domains,
)
from portal.web.confirming import ConfirmForm
from portal.web.forms import EditForm, NewForm, RowForm, TextField
from portal.web.given import current_settings
from portal.web.reauthentication import ReauthenticationForm

LONGEST_NAME = 120
WRONG = "Use lowercase letters, digits and single hyphens, such as acme-logistics."
SET_UP = "Set it up in a new tab"
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


class NumberField(StringField):
    """A whole number, or None if empty."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, filters=[tidy, _number], render_kw={"inputmode": "numeric"}, **kwargs)


def _number(text: str | None) -> int | None:
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("Enter a whole number.")
    return int(text) if text else None


def valid_domains(_form: Any, field: Any) -> None:
    try:
        field.data = shown_domains(read_domains(field.data or "")) or None
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _choices(texts: Mapping[str, str]) -> list[SelectChoice]:
    return [SelectChoice(value, text) for value, text in texts.items()]


class SettingsForm(EditForm, ConfirmForm, ReauthenticationForm):
    """The settings of an organization. Empty ones use the defaults of the installation."""

    layout = (
        "inviters", "email_domains", "two_factor_for", ("session_hours", "idle_minutes"), "password_minimum",
        "seat_limit",
    )  # fmt: skip
    permissions = {"seat_limit": ORGANIZATIONS_LIMIT}
    reauthentication_reason = "It has been a while since you signed in, and this changes how people sign in."
    inviters = SelectField(
        LABELS["inviters"],
        choices=_choices(INVITERS),
        description="Also applies to importing people and resending invitations.",
    )
    email_domains = TextField(
        LABELS["email_domains"],
        longest=1000,
        validators=(valid_domains,),
        description="Separate domains with commas, and list each subdomain. Applies to new people and changed "
        "addresses. Leave empty to allow any domain.",
        render_kw={"spellcheck": "false", "autocapitalize": "none"},
    )
    two_factor_for = SelectField(
        LABELS["two_factor_for"],
        choices=_choices(TWO_FACTOR_FOR),
        description="People without a second factor have to set one up on the next page they open.",
    )
    session_hours = NumberField(LABELS["session_hours"])
    idle_minutes = NumberField(LABELS["idle_minutes"])
    password_minimum = NumberField(LABELS["password_minimum"])
    seat_limit = NumberField(LABELS["seat_limit"])

    def __init__(self, row: Organization) -> None:
        self.row = row
        super().__init__(row)
        self.see_also = (("Inactive people", url_for("inactivity.edit", id=row.id)),)
        settings = current_settings()
        self.session_hours.description = f"Also ends sessions in use. Default: {settings.session_hours:g}."
        self.idle_minutes.description = (
            f"Ends unused sessions. Default: {settings.idle_hours * 60:,g}, or {settings.kept_idle_hours * 60:,g} with "
            "“Keep me signed in”."
        )
        self.password_minimum.description = (
            f"Number of characters in new passwords. Default: {settings.password_minimum}, or fewer with "
            "two-factor authentication."
        )
        if "seat_limit" in self:
            used = members().seats_in(row.id)
            self.seat_limit.description = f"{used:,} in use, including invited people. Leave empty for no limit."
        elif row.inviters == NO_ADMIN:
            self.inviters.choices = _choices({NO_ADMIN: INVITERS[NO_ADMIN]})
            self.inviters.description = "Only a super administrator can change this."
        else:
            self.inviters.choices = _choices({key: text for key, text in INVITERS.items() if key != NO_ADMIN})

    @classmethod
    def shown(cls, row: Organization, name: str) -> str:
        return shown_domains(row.email_domains) if name == "email_domains" else super().shown(row, name)

    def values(self) -> dict[str, Any]:
        typed = super().values()
        if typed.get("email_domains"):
            typed["email_domains"] = read_domains(typed["email_domains"])
        return {name: None if value == "" else value for name, value in typed.items()}

    def validate(self, extra_validators: Any = None) -> bool:
        if super().validate(extra_validators) and not self.is_stale:
            for name, problem in problems(self.row, self.values()):
                self[name].errors = [*self[name].errors, problem]
                if problem == OWN_TWO_FACTOR:
                    self[name].remedy = SET_UP, url_for("mfa.index")
        return not self.errors
