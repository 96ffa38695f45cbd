"""Change many rows with one set of statements, under the rules for single rows, as one operation in the history.

A change judges each row first: the rows that it changes, and those that it leaves as they are, with the reason. It is
applied only if its rows, locked by then, still get the verdict that was confirmed.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    and_,
    any_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from portal.core.actor import Actor
from portal.core.db import command, db
from portal.core.history import undoing_operation
from portal.core.models import Record
from portal.core.records import Records


def among(column: Any, values: Collection[Any]) -> ColumnElement[bool]:
    """Whether a column has one of these values. An array is one parameter, however many there are."""
    condition: ColumnElement[bool] = column == any_(cast(list(values), ARRAY(column.type)))
    return condition


@dataclass(frozen=True)
class Refusal:
    """Rows that a change leaves as they are, and why, as a label."""

    reason: str
    condition: Any


@dataclass(frozen=True)
class Verdict:
    """Which of the selected rows a change affects, and which it leaves as they are, by reason."""

    changed: Sequence[uuid.UUID]
    refused: Mapping[str, Sequence[uuid.UUID]]
    missing: int  # rows that the actor can't see, or that are deleted

    @property
    def digest(self) -> str:
        """Equal only for the same rows with the same reasons."""
        shown = [("", self.changed), *sorted(self.refused.items()), (str(self.missing), ())]
        return hashlib.sha256(repr([(reason, sorted(map(str, ids))) for reason, ids in shown]).encode()).hexdigest()


class BulkChange:
    """A change to rows of one model. Subclasses override what it does, which rows it refuses, and the consequences."""

    model: type[Record]
    with_deleted = False
    is_undoable = True
    is_by_system = False  # because it needs more rights than the actor has
    by: Actor | None = None  # on whose behalf the system makes it
    undoes: uuid.UUID | None = None  # the operation
    also_refused: Sequence[Refusal] = ()

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        """The rules, of which the first that a row meets counts. Raises NotAllowed if it changes no row at all."""
        return ()

    def consequences(self, ids: Sequence[uuid.UUID]) -> list[str]:
        """What the change means, as sentences to confirm."""
        return []

    def is_sensitive(self, ids: Sequence[uuid.UUID]) -> bool:
        """Whether it needs recent authentication."""
        return False

    def prepare(self, ids: Sequence[uuid.UUID]) -> None:
        """Count what is rate-limited. Runs once it is confirmed, before the transaction."""

    def lock(self, ids: Sequence[uuid.UUID]) -> None:
        """Lock the rows and what the rules depend on."""
        rows = select(self.model.id).where(among(self.model.id, ids)).order_by(self.model.id)
        db.session.execute(rows.with_for_update(), execution_options=self.options).all()

    def apply(self, ids: Sequence[uuid.UUID]) -> None:
        """Change the rows, which are locked."""
        raise NotImplementedError

    @property
    def options(self) -> dict[str, Any]:
        """The execution options for statements on its rows."""
        return {"with_deleted": self.with_deleted}

    def judged(self, ids: Sequence[uuid.UUID]) -> Verdict:
        """The verdict on these rows as they are now."""
        rules = [*self.refusals(ids), *self.also_refused]
        number = case(*((one.condition, place) for place, one in enumerate(rules))) if rules else null()
        rows = select(self.model.id, number.label("rule")).where(among(self.model.id, ids)).order_by(self.model.id)
        found = db.session.execute(rows, execution_options=self.options).all()
        refused: dict[str, list[uuid.UUID]] = {}
        for key, rule in found:
            if rule is not None:
                refused.setdefault(rules[rule].reason, []).append(key)
        return Verdict([key for key, rule in found if rule is None], refused, len(set(ids)) - len(found))


@command
def carry_out(
    parts: Sequence[tuple[BulkChange, Sequence[uuid.UUID]]], is_confirmed: Callable[[Sequence[Verdict]], bool]
) -> tuple[list[Verdict], uuid.UUID | None]:
    """Make changes to sets of rows in one transaction, if their verdicts are confirmed.

    Returns the verdicts, and the operation in the history unless nothing was done.
    """
    for change, ids in parts:
        change.lock(ids)
    verdicts = [change.judged(ids) for change, ids in parts]
    if not any(one.changed for one in verdicts) or not is_confirmed(verdicts):
        return verdicts, None
    for (change, _), verdict in zip(parts, verdicts, strict=True):
        if verdict.changed:
            if change.undoes:
                undoing_operation(change.undoes)
            change.apply(verdict.changed)
    db.session.flush()
    return verdicts, db.session.scalar(select(func.portal_operation()))


class Setting(BulkChange):
    """Set columns to values, which can also be expressions over the row. Setting `deleted_at` deletes or restores."""

    taken: ClassVar[str]  # why a row can't be restored if another has its unique value
    one_by_one: ClassVar[frozenset[str]] = frozenset()  # columns that are changed for single rows only

    def __init__(self, records: Records[Any], values: Mapping[str, Any], already: str = "") -> None:
        self.records, self.model, self.values, self.already = records, records.model, values, already
        self.with_deleted = self.restores

    def unique_of(self, row: Any) -> Sequence[Any]:
        """What no two rows have in common unless one is deleted."""
        return ()

    def value(self, name: str) -> Any:
        """The value of a column as an expression."""
        value, column = self.values[name], getattr(self.model, name)
        return value if isinstance(value, ColumnElement) else literal(value, column.type)

    @property
    def deletes(self) -> bool:
        return self.values.get("deleted_at") is not None

    @property
    def restores(self) -> bool:
        return "deleted_at" in self.values and self.values["deleted_at"] is None

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        rows: Any = self.model
        same = (getattr(rows, name).is_not_distinct_from(value) for name, value in self.values.items())
        already = [] if self.deletes else [Refusal(self.already, and_(true(), *same))]
        return [*already, Refusal(self.taken, self._is_taken(ids))] if self.restores else already

    def _is_taken(self, ids: Sequence[uuid.UUID]) -> ColumnElement[bool]:
        """Whether an active row, or one of these that was deleted later, has the row's unique value.

        The subqueries aren't correlated: row-level security would keep each of them from using an index.
        """
        row, other, mine = self.model, aliased(self.model), aliased(self.model)
        own = select(*self.unique_of(mine)).where(among(mine.id, ids))
        active = select(*self.unique_of(other)).where(other.deleted_at.is_(None))
        is_used = tuple_(*self.unique_of(row)).in_(active.where(tuple_(*self.unique_of(other)).in_(own)))
        key = self.unique_of(mine)
        latest = select(mine.id).ext(distinct_on(*key)).where(among(mine.id, ids), mine.deleted_at.is_not(None))
        return or_(is_used, row.id.not_in(latest.order_by(*key, mine.deleted_at.desc(), mine.id.desc())))

    def is_sensitive(self, ids: Sequence[uuid.UUID]) -> bool:
        return self.deletes

    def apply(self, ids: Sequence[uuid.UUID]) -> None:
        changed = update(self.model).where(among(self.model.id, ids)).values(dict(self.values))
        db.session.execute(changed, execution_options={**self.options, "synchronize_session": False})
