"""The base classes of forms: they clean input, detect edit conflicts and show conflicts beside their field."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

from flask import current_app, g, has_request_context, request
from flask_wtf import FlaskForm
from flask_wtf.form import _Auto
from markupsafe import Markup
from werkzeug.datastructures import MultiDict
from wtforms import HiddenField, StringField, ValidationError
from wtforms.validators import Length

from portal.core.actor import current_actor
from portal.core.errors import Conflict, Missing
from portal.core.policy import Permission, allows
from portal.core.text import CONTROL, has_control, tidy
from portal.web.controls import control, hidden
from portal.web.csrf import csrf_token
from portal.web.signed_keys import signed_row

LONGEST_BASE = 4000


class Form(FlaskForm):  # type: ignore[misc]
    """The base of every form. Fields have the names of the model's columns; other input is ignored."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc]
        csrf = False  # checked before any view runs (web/csrf.py)

        def wrap_formdata(self, form: Any, formdata: Any) -> Any:
            """Read texts only, because JSON and files contain other values. A draft takes precedence."""
            if request.is_json:
                return MultiDict()
            sent = super().wrap_formdata(form, formdata)
            if formdata is not _Auto:
                return sent
            return g.get("typed") or (request.form if sent else sent)

        def render_field(self, field: Any, render_kw: dict[str, Any]) -> Any:
            rendered = control(field, render_kw)
            return super().render_field(field, render_kw) if rendered is None else rendered

    def hidden_tag(self, *fields: Any) -> Markup:
        """The hidden fields, and the token."""
        own: Markup = super().hidden_tag(*fields)
        return hidden("csrf_token", csrf_token()) + own

    def add_conflict(self, conflict: Conflict) -> None:
        """Show a conflict beside its field, or above the form."""
        field = getattr(self, conflict.field or "", None)
        if field is not None and hasattr(field, "errors"):
            field.errors = [*field.errors, conflict.message]
        else:
            self.form_errors.append(conflict.message)


def posted_key(name: str) -> uuid.UUID:
    """The row key that a button sends. Raises Missing if it is invalid."""
    try:
        return uuid.UUID(request.form.get(name, ""))
    except ValueError:
        raise Missing from None


class StoredForm(Form):
    """A form for an existing row. Values equal to those in the database are neither validated nor changed.

    `stored` contains the row's values as the form renders them. They can be invalid if other programs wrote them, or
    under older rules.
    """

    _fields: dict[str, Any]

    def __init__(self, stored: Mapping[str, str], **data: Any) -> None:
        super().__init__(data={**stored, **data})
        self.stored = {name: value for name, value in stored.items() if name in self}
        self.unchanged = {name for name in self.stored if self._is_sent_as(name, self.stored[name])}
        self._show_as_stored(self.unchanged)

    def validate(self, extra_validators: Any = None) -> bool:
        every = self._fields
        self._fields = {name: field for name, field in every.items() if name not in self.unchanged}
        try:
            return bool(super().validate(extra_validators))
        finally:
            self._fields = every

    def changes(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """The entered values that differ from the row, by field name."""
        return {name: value for name, value in typed.items() if name not in self.unchanged}

    def _is_sent_as(self, name: str, value: str) -> bool:
        """Whether the sent value equals this one, apart from line breaks; true if nothing was sent."""
        sent = self[name].raw_data
        return not sent or _in_one_line(sent[0]) == _in_one_line(value)

    def _show_as_stored(self, names: Iterable[str]) -> None:
        for name in names:
            self[name].data, self[name].errors = self.stored[name], []


def _in_one_line(text: str) -> str:
    return text.replace("\r", "").replace("\n", "")


class RowForm(Form):
    """A form for a row of a resource. `layout` names its fields in order, those side by side in a tuple."""

    layout: ClassVar[Sequence[str | tuple[str, ...]]]
    permissions: ClassVar[
        Mapping[str, Permission]
    ] = {}  # of fields that only some may set; for others they aren't there

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.permissions:
            if not self.offers(name):
                del self[name]

    @classmethod
    def offers(cls, name: str) -> bool:
        return name not in cls.permissions or allows(current_actor(), cls.permissions[name])

    @classmethod
    def names(cls) -> list[str]:
        """The fields of the layout that the actor may set."""
        flat = (name for entry in cls.layout for name in ((entry,) if isinstance(entry, str) else entry))
        return [name for name in flat if cls.offers(name)]

    def values(self) -> dict[str, Any]:
        """What was entered, by the model's columns."""
        return {name: self[name].data for name in self.names()}


class NewForm(RowForm):
    """A form for a new row, whose key it carries."""

    needs_arguments: ClassVar[bool] = False  # whether only other pages can open it, because they give it arguments
    row = HiddenField()

    def __init__(self, **data: Any) -> None:
        super().__init__(data={**data, "row": signed_row()})


class EditForm(RowForm, StoredForm):
    """A form for an existing row that also carries the version and the values that the edit began from."""

    version = HiddenField()
    base = HiddenField()
    see_also: Sequence[tuple[str, str]] = ()  # related pages: label and URL

    def __init__(self, row: Any) -> None:
        stored = self.stored_in(row)
        super().__init__(stored, version=row.version, base=form_base(stored))
        self.is_stale = self.is_submitted() and self.seen_version() != row.version

    @classmethod
    def stored_in(cls, row: Any) -> dict[str, str]:
        """The row's values as the form shows them, without fields that the actor may not set."""
        return {name: cls.shown(row, name) for name in cls.names()}

    @classmethod
    def shown(cls, row: Any, name: str) -> str:
        """A value of the row as the form shows it."""
        return str(getattr(row, name) or "")

    def values(self) -> dict[str, Any]:
        """The entered values that differ from the row."""
        return self.changes(super().values())

    def validate(self, extra_validators: Any = None) -> bool:
        """If the row has changed, nothing can be saved, so values that weren't changed here aren't validated either."""
        super().validate(extra_validators)
        if self.is_stale:
            seen = self.seen_values()
            for name in self.stored:
                if isinstance(seen.get(name), str) and self._is_sent_as(name, seen[name]):
                    self[name].data, self[name].errors = seen[name], []
        return not self.errors

    def seen_version(self) -> int:
        """The row's version when the edit began; 0, which no row has, if the form doesn't contain it."""
        text = (self.version.raw_data or [""])[0]
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

    def seen_values(self) -> dict[str, Any]:
        """The row's values when the edit began, to distinguish this person's changes from others'. Never saved."""
        try:
            values = json.loads((self.base.raw_data or [""])[0][:LONGEST_BASE])
        except (ValueError, RecursionError):
            return {}
        return {k: v for k, v in values.items() if _is_shown(v)} if isinstance(values, dict) else {}


def form_base(values: Mapping[str, str]) -> str:
    """The row's values when the edit begins, for the hidden field."""
    return json.dumps(dict(values), ensure_ascii=False, separators=(",", ":"))


def _is_shown(value: object) -> bool:
    """Whether a page can show the value: JSON can contain lone surrogates, which can't be encoded."""
    return isinstance(value, bool) or (isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value))


@contextmanager
def reporting_conflicts(form: Form) -> Iterator[None]:
    """Add a Conflict raised in the block to the form, which the view then shows again."""
    try:
        yield
    except Conflict as conflict:
        form.add_conflict(conflict)


@contextmanager
def sending(texts: Mapping[str, str]) -> Iterator[None]:
    """Fill in the forms of the block with these texts, as if a page had sent them. A job has no request of its own."""
    with nullcontext() if has_request_context() else current_app.test_request_context(method="POST"):
        former, g.typed = g.get("typed"), MultiDict(texts)
        try:
            yield
        finally:
            g.typed = former


class TextField(StringField):
    """One line of text, cleaned by `tidy`. Empty becomes None."""

    def __init__(
        self,
        label: str,
        *,
        longest: int,
        reads: Callable[[str], str] = str,
        validators: tuple[Any, ...] = (),
        **kwargs: Any,
    ) -> None:
        limit = Length(max=longest, message=f"Use {longest} characters at most.")
        filters = [tidy, lambda text: reads(text) if text else None]
        super().__init__(label, validators=[*validators, limit, printable], filters=filters, **kwargs)
        self.longest = longest


def printable(_form: Any, field: Any) -> None:
    """Refuse control characters; letters of every script are kept as typed."""
    if has_control(field.data or ""):
        raise ValidationError(CONTROL)
