"""The controls of forms as HTML: what WTForms renders, in a tenth of the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup
from wtforms.widgets import CheckboxInput, HiddenInput, PasswordInput, Select, TextInput

from portal.web.escaping import html_of

FLAGS = ("required", "disabled", "readonly")
CLASSES = {"BooleanField": "form-check-input", "SelectField": "form-select"}


def attributes_of(field: Any, given: Mapping[str, Any], hint: str, wrong: str) -> dict[str, Any]:
    """The attributes of a field's control: those given, those that tell about hint and errors, and the focus."""
    found = {"class": CLASSES.get(field.type, "form-control"), "maxlength": False, **given}
    about = [f"{field.id}-hint"] * bool(hint) + [f"{field.id}-error"] * bool(field.errors)
    if about:
        found["aria-describedby"] = " ".join(about)
    if field.errors:
        found["aria-invalid"] = "true"
    if wrong and wrong == field.name:
        found["autofocus"] = True
    return found


def control(field: Any, given: Mapping[str, Any]) -> Markup | None:
    """The field with its own attributes and those given. None for a kind that only WTForms renders."""
    kind = type(field.widget)
    if kind not in (TextInput, HiddenInput, PasswordInput, CheckboxInput, Select):
        return None
    values = {"id": field.id, "name": field.name, **(field.render_kw or {}), **given}
    for flag in FLAGS:
        if flag not in values and getattr(field.flags, flag):
            values[flag] = True
    if kind is Select:
        return Markup(f"<select{_attributes(values)}>{_options(field)}</select>")  # noqa: S704 -- escaped
    value = "" if kind is PasswordInput else field._value()
    values = {"type": field.widget.input_type, "value": value, **values}
    if kind is CheckboxInput and field.data:
        values["checked"] = True
    return Markup(f"<input{_attributes(values)}>")  # noqa: S704 -- escaped


def hidden(name: str, value: str) -> Markup:
    return Markup(f"<input{_attributes({'type': 'hidden', 'name': name, 'value': value})}>")  # noqa: S704 -- escaped


def _options(field: Any) -> str:
    return "".join(
        f"<option{_attributes({'selected': one.selected, 'value': one.value})}>{html_of(one.label)}</option>"
        for one in field.iter_choices()
    )


def _attributes(values: Mapping[str, Any]) -> str:
    """True gives an attribute without a value, False gives none."""
    return "".join(
        f" {name}" if value is True else f' {name}="{html_of(value)}"'
        for name, value in sorted(values.items())
        if value is not False
    )
