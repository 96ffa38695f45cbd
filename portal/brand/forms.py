"""The form for the brand."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from flask import request
from wtforms import BooleanField, HiddenField, ValidationError

from portal.brand.commands import Values
from portal.branding import LARGEST, LONGEST_NAME, Logo, color_of, contrast_problem, logo_of, read_accent, read_name
from portal.web.forms import Form, TextField

CARRIED, PART = "carried_logo", 100_000  # fields with a part of it in base64, each shorter than FIELD_BYTES
COLOR = "Enter a color such as #0b6e4f."
COLOR_KW = {"placeholder": "#0b6e4f", "spellcheck": "false", "autocapitalize": "none"}


class BrandForm(Form):
    """What the portal is called and looks like. Empty fields use what the operator gave."""

    name = TextField("Product name", longest=LONGEST_NAME, description="In titles, emails and authenticator apps.")
    accent = TextField(
        "Accent color",
        longest=LONGEST_NAME,
        description="For buttons and links. Text in it needs a contrast of 4.5.",
        render_kw=COLOR_KW,
    )
    accent_dark = TextField(
        "Accent color on dark pages",
        longest=LONGEST_NAME,
        description="Leave empty to use a lighter tone of the accent color.",
        render_kw=COLOR_KW,
    )
    removes_logo = BooleanField("Remove the logo")
    version = HiddenField()

    def __init__(self, version: int, chosen: Values) -> None:
        light, _, dark = (chosen.accent or "").partition(",")
        super().__init__(data={"name": chosen.name, "accent": light, "accent_dark": dark, "version": str(version)})
        self.chosen = chosen
        self.carried: Sequence[str] = ()  # parts of a logo that was chosen, but isn't saved yet
        self.logo, self.logo_problem = self._logo()

    def _logo(self) -> tuple[Logo | None, str]:
        """The logo to save, and what is wrong with the chosen one: a file, or what an earlier page carried."""
        file = request.files.get("logo")
        if file and file.filename:
            content = file.stream.read(LARGEST + 1)
        elif self.removes_logo.data:
            return None, ""
        elif not (content := _carried()):
            return self.chosen.logo, ""
        try:
            logo = logo_of(content)
        except ValueError as error:
            return self.chosen.logo, f"The logo {error}"
        text = b64encode(logo.content).decode()
        self.carried = [text[start : start + PART] for start in range(0, len(text), PART)]
        return logo, ""

    def validate(self, extra_validators: Any = None) -> bool:
        return bool(super().validate(extra_validators)) and not self.logo_problem

    def validate_name(self, field: Any) -> None:
        try:
            field.data = read_name(field.data) if field.data else None
        except ValueError as error:
            raise ValidationError(f"This {error}") from None

    def validate_accent(self, field: Any) -> None:
        if field.data:
            _check(field, "light")
        elif self.accent_dark.data:
            raise ValidationError("Enter the color for light pages, too.")

    def validate_accent_dark(self, field: Any) -> None:
        if field.data:
            _check(field, "dark")

    def seen(self) -> int:
        text = self.version.data or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

    def values(self) -> Values:
        both = [one for one in (self.accent.data, self.accent_dark.data) if one]
        return Values(self.name.data, ",".join(both) or None, self.logo)


def _carried() -> bytes:
    """The logo that was chosen before a preview or an error. Browsers without JavaScript forget the chosen file."""
    try:
        return b64decode("".join(request.form.getlist(CARRIED)), validate=True)
    except ValueError:
        return b""


def _check(field: Any, theme: str) -> None:
    try:
        color = color_of(field.data)
    except ValueError:
        raise ValidationError(COLOR) from None
    if problem := contrast_problem(color, theme):
        raise ValidationError(problem)
    if theme == "light":
        read_accent(field.data)
