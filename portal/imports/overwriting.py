"""Overwrite existing people with the rows of an import, under the rules for changes of many people, and undo that."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import case, cast, func, null, select

from portal.core.db import db
from portal.imports.models import Import, ImportRow
from portal.users.bulk import SettingPeople
from portal.users.commands import users
from portal.users.models import User

FIELDS = {"first_name": "First name", "last_name": "Last name", "role": "Role", "is_active": "Status",
          "activates_on": "First day of access", "expires_on": "Last day of access"}  # fmt: skip
TOGETHER = (
    ("first_name", "last_name"),
    ("role",),
    ("is_active", "activates_on"),
    ("expires_on",),
)  # each with rules of its own
UNCHANGED = "Unchanged"


def refused(one: Import, ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    """The people whom the import can't change, and why."""
    return _refused(_changes(one), ids)


def overwrite(one: Import, ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    """Overwrite people, who must be locked. Returns those who would get too many emails, and stay as they are."""
    return _applied(_changes(one), ids)


def restore(one: Import, first: int, last: int) -> int:
    """Give people of these rows their former values, unless they were changed since. Returns how many."""
    rows = ImportRow.import_id == one.id, ImportRow.number.between(first, last), ImportRow.verdict == "update"
    lock(one, [key for key in db.session.scalars(select(ImportRow.row_id).where(*rows)) if key])
    same = select(User.id).join(ImportRow, ImportRow.row_id == User.id).where(User.version == ImportRow.version)
    ids = db.session.scalars(same.where(*rows)).all()
    return len(ids) - len(_applied(_changes(one, undoes=True), ids))


def _applied(changes: Sequence[SettingPeople], ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    """Change the people whom no rule refuses. Returns the others."""
    for change in changes:
        change.count_emails(change.judged(ids).changed, keeps_transaction=True)
    reasons = _refused(changes, ids)
    allowed = [key for key in ids if key not in reasons]
    for change in changes:
        if changed := change.judged(allowed).changed:
            change.apply(changed)
    return reasons


def _refused(changes: Iterable[SettingPeople], ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    return {
        key: f"{reason}."
        for change in changes
        for reason, keys in change.judged(ids).refused.items()
        if reason != UNCHANGED
        for key in keys
    }


def lock(one: Import, ids: Sequence[uuid.UUID]) -> None:
    """Lock people, and what the rules depend on."""
    for change in _changes(one):
        change.lock(ids)


def _changes(one: Import, *, undoes: bool = False) -> list[SettingPeople]:
    chosen = one.options.get("overwrites", ())
    written = {*chosen, *(["is_active"] if "activates_on" in chosen else [])}
    values = {name: _value(one.id, name, chosen, undoes) for name in FIELDS if name in written}
    parts = ({name: values[name] for name in names if name in values} for names in TOGETHER)
    changes = [SettingPeople(users, part, UNCHANGED) for part in parts if part]
    for change in changes:
        change.beside = values
    return changes


def _value(import_id: uuid.UUID, name: str, chosen: Sequence[str], undoes: bool) -> Any:
    """The value in the row of a person, as an expression that uses the index on key."""
    column = getattr(User, name)
    before = cast(ImportRow.before[name].astext, column.type)
    after: Any = getattr(ImportRow, name) if name in chosen else null()
    if name == "is_active" and "activates_on" in chosen:
        after = case((ImportRow.activates_on.is_not(None), False), else_=after)
    row = select(before if undoes else after).where(
        ImportRow.import_id == import_id, ImportRow.key == func.lower(User.email), ImportRow.verdict == "update"
    )
    found = row.correlate(User).scalar_subquery()
    return found if undoes else func.coalesce(found, column)
