"""Create, change, delete, restore and undo rows of a resource. Features override what differs."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm.exc import StaleDataError

from portal.core import history
from portal.core.actor import current_actor
from portal.core.clock import now
from portal.core.db import command, continued, db, locked, was_created
from portal.core.errors import Conflict, Missing, NotAllowed, Stale
from portal.core.models import Record
from portal.core.policy import Permissions, allows
from portal.core.purging import purge_some
from portal.core.retention import in_batches

Row = TypeVar("Row", bound=Record)
R = TypeVar("R")


class Records(Generic[Row]):
    """Writes rows of one model. Each public method is one transaction, or joins the running one.

    A feature's subclass overrides `insert`, `edited`, `change`, `remove` and `bring_back`, which run inside the
    transaction with the row locked, and `explained` or `around`, which run outside.
    """

    model: type[Row]
    noun: ClassVar[str]
    permissions: ClassVar[Permissions]
    unique: ClassVar[tuple[str, ...]] = ()  # columns with unique values among rows that are not deleted

    def create(self, values: Mapping[str, Any], *, row_id: uuid.UUID, **options: Any) -> uuid.UUID:
        """Create a row. A second call with the same `row_id` returns the same row. Raises Conflict, NotAllowed."""

        def make() -> None:
            try:
                self._create(values, row_id, options)
            except Conflict:
                if not was_created(self.model, row_id):
                    raise

        self.around(row_id, values, make)
        return row_id

    def update(self, row_id: uuid.UUID, version: int, values: Mapping[str, Any]) -> Row:
        """Change a row. Raises Missing, Conflict, NotAllowed, and Stale if it is newer than `version`."""
        return self.around(row_id, values, lambda: self._update(row_id, version, values))

    @command
    def delete(self, row_id: uuid.UUID) -> Row:
        """Soft-delete a row. Raises Missing, Conflict."""
        row = locked(self.by_id(row_id))
        self.remove(row, now())
        return row

    def restore(self, row_id: uuid.UUID) -> Row:
        """Restore a deleted row. Raises Missing; Conflict if another row now has its unique value."""
        return self.around(row_id, self._taken(row_id, {"deleted_at": None}), lambda: self._restore(row_id))

    def undo(self, row_id: uuid.UUID, version: int) -> Row:
        """Undo the operation that made this version of a row, under the rules for changes of that kind.

        Raises Missing, Conflict, NotAllowed; history.Superseded if the same values were changed since.
        """
        values = self._taken(row_id, history.before(self.model, row_id, version))
        return self.around(row_id, values, lambda: self._undo(row_id, version))

    def purge(self, row_id: uuid.UUID) -> None:
        """Remove a deleted row permanently, with what belongs to it (core/purging.py). Raises Missing."""
        if not purge_some(self.model, self.model.id == row_id, self.model.deleted_at.is_not(None)):
            raise Missing

    def begin_purge(self, row_id: uuid.UUID) -> bool:
        """Purge a row, or start a job that does so; then False. Raises Missing."""
        self.purge(row_id)
        return True

    def purge_before(self, before: datetime) -> int:
        """Remove permanently what was deleted earlier than `before`. Returns how many rows."""
        return in_batches(lambda: purge_some(self.model, self.model.deleted_at < before))

    def by_id(self, row_id: uuid.UUID) -> Select[Row]:
        return select(self.model).where(self.model.id == row_id)

    def one(self, row_id: uuid.UUID, *, with_deleted: bool = False) -> Row:
        """The row. Raises Missing if there is none."""
        row = db.session.scalar(self.by_id(row_id), execution_options={"with_deleted": with_deleted})
        if row is None:
            raise Missing
        return row

    # Hooks for features

    def insert(self, values: Mapping[str, Any], row_id: uuid.UUID, **options: Any) -> None:
        """Add the new row."""
        made: Callable[..., Row] = self.model
        db.session.add(made(**values, id=row_id))

    def edited(self, row: Row, changes: dict[str, Any]) -> dict[str, Any]:
        """The changes that editing makes, if they differ from the entered values."""
        return changes

    def change(self, row: Row, changes: Mapping[str, Any]) -> None:
        """Set values that differ from the row's, for an edit or for undoing one."""
        for name, value in changes.items():
            setattr(row, name, value)

    def remove(self, row: Row, at: datetime) -> None:
        """Mark the row as deleted."""
        row.deleted_at = at

    def bring_back(self, row: Row) -> None:
        """Mark a deleted row as not deleted."""
        row.deleted_at = None

    def explained(self, conflict: Conflict, values: Mapping[str, Any]) -> Conflict:
        """The conflict with a message for the person, given the values that the row should get."""
        if conflict.field not in self.unique:
            return conflict
        message = f"Another {self.noun} has this {conflict.field}."
        return Conflict(conflict.field, message, constraint=conflict.constraint)

    def around(self, row_id: uuid.UUID, values: Mapping[str, Any], act: Callable[[], R]) -> R:
        """Run the transaction, given the values that the row should get."""
        try:
            return act()
        except Conflict as conflict:
            raise self.explained(conflict, values) from None

    # Inside the transaction

    @command
    def _create(self, values: Mapping[str, Any], row_id: uuid.UUID, options: Mapping[str, Any]) -> None:
        self.insert(values, row_id, **options)

    @continued
    def _update(self, row_id: uuid.UUID, version: int, values: Mapping[str, Any]) -> Row:
        """Nobody else can save the row between reading and writing it: the version is compared when it is written."""
        row = db.session.get(self.model, row_id)
        if row is None or row.is_deleted:
            raise Missing
        if row.version != version:
            raise Stale(row)
        changes = self.edited(row, _differing(row, values))
        try:
            self.change(row, changes)
            db.session.flush()
        except StaleDataError:
            raise Stale(row) from None
        return row

    @command
    def _restore(self, row_id: uuid.UUID) -> Row:
        row = locked(self.by_id(row_id), with_deleted=True)
        if row.is_deleted:
            self.bring_back(row)
        return row

    @command
    def _undo(self, row_id: uuid.UUID, version: int) -> Row:
        row = locked(self.by_id(row_id), with_deleted=True)
        values = history.undoing(row, version)
        if "deleted_at" in values:
            if not allows(current_actor(), self.permissions.delete):
                raise NotAllowed
            at = values.pop("deleted_at")
            if at:
                self.remove(row, at)
            else:
                self.bring_back(row)
        elif row.is_deleted:
            raise Conflict(None, f"{_name(row)} is deleted. Restore the {self.noun} first.")
        self.change(row, self.undone(row, version, values))
        return row

    def undone(self, row: Row, version: int, values: dict[str, Any]) -> dict[str, Any]:
        """The changes that undoing makes, if they are more than the previous values."""
        return values

    def _taken(self, row_id: uuid.UUID, values: Mapping[str, Any]) -> dict[str, Any]:
        """These values, with the row's own unique values if they restore it."""
        if values.get("deleted_at", ...) is not None:
            return dict(values)
        row = db.session.scalar(self.by_id(row_id), execution_options={"with_deleted": True})
        return {**({name: getattr(row, name) for name in self.unique} if row else {}), **values}


def _name(row: Any) -> str:
    return str(row.name)


def _differing(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if getattr(row, name) != value}
