"""Check and import rows of any resource by its description: its forms check the cells, its records write the rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select

from portal.core.actor import current_actor
from portal.core.batch import separately
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.keys import uuid7
from portal.core.policy import allows
from portal.core.purging import is_referenced
from portal.imports.files import Row
from portal.imports.importer import Importer, beginning, rows_between
from portal.imports.models import Import, ImportRow
from portal.imports.parsing import NO_ORGANIZATION
from portal.imports.uploads import Staged, Staging
from portal.imports.words import Words
from portal.organizations.models import Organization
from portal.resources.resource import Resource
from portal.web.forms import NewForm, sending

HOME, HOME_LABEL = "organization_id", "Organization (URL name)"  # the field with the organization of a row
TWIN = "{}: the same as on line {}."


class Described(Importer):
    """A resource that declares which fields can be imported. Existing rows are found by their unique values."""

    batch = 200

    def __init__(self, resource: Resource[Any]) -> None:
        self.resource, self.records = resource, resource.records
        labels = {name: {HOME: HOME_LABEL, **resource.labels}[name] for name in resource.imported}
        self.words = Words("name", "names", labels, resource.imported)

    def overwritten(self) -> Mapping[str, str]:
        if not allows(current_actor(), self.needs("write")):
            return {}
        changed = set(self.resource.edit_form.names()) - set(self.records.unique)
        return {name: label for name, label in self.words.fields.items() if name in changed}

    def staging(self, one: Import) -> Staging:
        defaults = {HOME: one.options.get("slug", "")} if HOME in self.words.fields else {}
        return partial(_staged, one.fields, defaults)

    def check(self, one: Import, first: int, last: int) -> bool:
        for row in self._rows(one, first, last, "create", "update", "unchanged"):
            with sending(row.values or {}):
                judged = Judged(self, one, row)
            row.key, row.verdict, row.reason = judged.key, judged.verdict, judged.reason
            row.row_id = None if judged.reason else judged.existing.id if judged.existing else row.row_id or uuid7()
            db.session.flush()  # so that the next ones find its key
        return True

    def write(self, one: Import, first: int, last: int) -> None:
        for row in self._rows(one, first, last, "create", "update", "unchanged"):
            with sending(row.values or {}):
                judged = Judged(self, one, row)
            row.verdict, row.reason = judged.verdict, judged.reason
            try:
                with separately():
                    self._write(row, judged)
            except Conflict as conflict:
                _refuse(row, judged.form, self.records.explained(conflict, judged.values))

    def _write(self, row: ImportRow, judged: Judged) -> None:
        if judged.verdict == "create":
            row.row_id = row.row_id or uuid7()
            self.records.insert(judged.values, row.row_id)
        elif judged.verdict == "update":
            existing = judged.existing
            row.row_id, row.before = existing.id, {name: getattr(existing, name) for name in judged.changes}
            row.version = self.records.update(existing.id, existing.version, judged.changes).version

    def undo(self, one: Import, first: int, last: int) -> int:
        return sum(map(self._undone, self._rows(one, first, last, "create", "update")))

    def _undone(self, row: ImportRow) -> bool:
        """Undo what the import did to a row, unless it was changed since, or something belongs to a new one by now."""
        existing = db.session.scalar(select(self.records.model).where(self.records.model.id == row.row_id))
        is_new = row.verdict == "create"
        if existing is None or existing.version != (1 if is_new else row.version):
            return False
        if is_new and is_referenced(existing):
            return False
        try:
            with separately():
                if is_new:
                    self.records.delete(existing.id)
                else:
                    self.records.update(existing.id, existing.version, row.before or {})
        except Conflict:
            return False
        return True

    def _rows(self, one: Import, first: int, last: int, *verdicts: str) -> Sequence[ImportRow]:
        found = select(ImportRow).where(*rows_between(one.id, first, last, *verdicts)).order_by(ImportRow.number)
        return db.session.scalars(found, execution_options={"populate_existing": True}).all()

    def unique_of(self, row: Any) -> Sequence[Any]:
        """What no two rows have in common."""
        return self.resource.setting(self.records, {}).unique_of(row)


class Judged:
    """A row of a file as its form reads it, and what to do with it: `changes` if it updates an `existing` row."""

    def __init__(self, importer: Described, one: Import, row: ImportRow) -> None:
        self.texts, self.form = row.values or {}, importer.resource.new_form()
        self.form.validate()
        self.values, actor = self.form.values(), current_actor()
        if HOME in self.values and not actor.is_unlimited:
            self.values[HOME] = actor.organization_id
        unique = [self.values[name] for name in (HOME, *importer.records.unique) if name in self.values]
        self.key = " ".join(str(one).lower() for one in unique) if all(unique) else None
        model = importer.records.model
        pairs = zip(importer.unique_of(model), importer.unique_of(SimpleNamespace(**self.values)), strict=True)
        found = select(model).where(*(column == value for column, value in pairs))
        self.existing: Any = db.session.scalar(found) if self.key else None
        self.changes = self._changes(importer, one)
        self.reason = self._foreign() or self._wrong(importer) or self._twin(importer, row)
        update = "update" if self.changes else "unchanged"
        self.verdict = "refused" if self.reason else update if self.existing else "create"

    def _changes(self, importer: Described, one: Import) -> dict[str, Any]:
        """The values to overwrite: what the file contains, and differs."""
        chosen = set(one.options.get("overwrites", ())) & importer.overwritten().keys() if self.existing else set()
        wanted = (name for name in chosen if self.texts.get(name))
        return {name: self.values[name] for name in wanted if self.values[name] != getattr(self.existing, name)}

    def _foreign(self) -> str | None:
        """Why the row names an organization that the actor can't choose."""
        slug = self.texts.get(HOME)
        if not slug or HOME in self.form:
            return None
        own = db.session.scalar(select(Organization.slug))
        return None if slug.lower() == own else NO_ORGANIZATION.format(slug[:40])

    def _wrong(self, importer: Described) -> str | None:
        """The first cell that its form refuses. Values that are stored already need not be valid."""
        stored = importer.resource.edit_form.stored_in(self.existing) if self.existing else {}
        for name, messages in self.form.errors.items():
            if self.existing is None or self.texts.get(name, "") not in ("", stored.get(name)):
                return _reason(self.form, name, str(messages[0]))
        return None

    def _twin(self, importer: Described, row: ImportRow) -> str | None:
        """The earlier row of the file that is the same."""
        same = select(ImportRow.line).where(ImportRow.import_id == row.import_id, ImportRow.key == self.key)
        line = db.session.scalar(same.where(ImportRow.number < row.number).order_by(ImportRow.key, ImportRow.number))
        return None if line is None else TWIN.format(self.form[importer.records.unique[0]].label.text, line)


def _staged(fields: Sequence[str], defaults: Mapping[str, str], number: int, row: Row) -> Staged:
    """The values of `staging.COLUMNS`. What a row means is decided when it is checked."""
    line, cells = row
    texts = {field: cell for field, cell in zip(fields, cells, strict=False) if field and cell}
    text = beginning([texts["name"]] if "name" in texts else cells)
    return (number, line, text, None, None, None, None, None, None, None, None, "create", None, None,
            json.dumps({**defaults, **texts}))  # fmt: skip


def _refuse(row: ImportRow, form: NewForm, conflict: Conflict) -> None:
    row.verdict, row.row_id, row.reason = "refused", None, _reason(form, conflict.field, conflict.message)


def _reason(form: NewForm, name: str | None, message: str) -> str:
    return f"{form[name].label.text}: {message}" if name and name in form else message
