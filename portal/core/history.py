"""Read the history: what was done, by whom, and what a row was like before.

Triggers write it, in the transaction of the change (portal/sql/activity). `record` adds what no changed row shows, such
as a failed sign-in.
"""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Identity,
    Index,
    Select,
    Text,
    Uuid,
    bindparam,
    func,
    inspect,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from portal.core.actions import Action
from portal.core.actor import SYSTEM, Actor, Role, current_actor, current_origin
from portal.core.db import acting_as, command, db, first_as_system
from portal.core.errors import Conflict, Missing
from portal.core.models import Audited, Base, Keyed, Record, TenantOwned
from portal.core.operations import NEWEST, XID8
from portal.core.row_security import ONESELF, OWN_TENANT

CHANGING = ("update", "delete", "restore")
RECORDED: tuple[TypeEngine[Any], ...] = (
    Text(),
    Uuid(),
    Text(),
    Uuid(),
    Text(),
    Uuid(),
    JSONB(none_as_null=True),
    Boolean(),
)


class Activity(TenantOwned, Base):
    """One event: a changed row, or something else that was done. Only the database adds events, and none is changed.

    `changes` is {column: [before, after]}, with [] for a column whose values are secret. It is None for a new row:
    its first values follow from the current row and the changes since. Events of one transaction share `operation_id`.
    Repetitions are counted in `times`.
    """

    __tablename__ = "activity"
    __table_args__ = (
        Index("activity_row_id_idx", "row_id", *NEWEST),
        Index("activity_operation_id_idx", "operation_id", *NEWEST),
        Index("activity_tenant_idx", "operation_id", "organization_id", *NEWEST),
        Index("activity_xid_idx", "xid"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime]
    xid: Mapped[str] = mapped_column(XID8())
    key: Mapped[uuid.UUID]  # random: names a place in a list, in addresses
    operation_id: Mapped[uuid.UUID]
    actor_id: Mapped[uuid.UUID | None]
    actor_role: Mapped[str | None]  # a Role's name, SYSTEM, or empty for other programs
    database_user: Mapped[str]
    address: Mapped[str | None]
    agent: Mapped[str | None]
    request_id: Mapped[str | None]
    organization_id: Mapped[uuid.UUID | None]  # the tenant that sees the event
    action: Mapped[str]
    table_name: Mapped[str | None]
    row_id: Mapped[uuid.UUID | None]
    row_version: Mapped[int | None]  # of the row after the change
    changes: Mapped[dict[str, list[Any]] | None] = mapped_column(JSONB)
    undoes: Mapped[int | None]  # the version of the row that was undone; 0 for a link, which has none
    times: Mapped[int]

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        """ADMINs see the events of their organization and of their own private rows, everybody else those about
        themselves.
        """
        if actor.role is Role.ADMIN and actor.organization_id is not None:
            is_private = cls.table_name.in_(private_tables()) & cls.organization_id.is_(None)
            return or_(cls.organization_id == actor.organization_id, is_private & (cls.actor_id == actor.id))
        return (cls.table_name == "users") & (cls.row_id == actor.id)

    @classmethod
    def row_policy(cls) -> str:
        about = f"table_name = 'users' AND row_id = {ONESELF}"
        names = ", ".join(f"'{name}'" for name in private_tables())
        private = f"table_name IN ({names}) AND organization_id IS NULL AND actor_id = {ONESELF}"
        return f"organization_id = {OWN_TENANT} OR ({about}) OR ({private})"

    @classmethod
    def tenant(cls) -> InstrumentedAttribute[Any]:
        return cls.organization_id


def private_tables() -> list[str]:
    """The tables that can have private rows, whose events have no organization."""
    mappers = (one for one in Base.registry.mappers if issubclass(one.class_, Record) and one.class_.has_private_rows)
    return sorted(one.local_table.description for one in mappers)


MADE_HERE = select(Activity.action, Activity.changes).where(
    *(getattr(Activity, name) == bindparam(name) for name in ("table_name", "row_id", "row_version", "request_id"))
)


def record(
    action: Action,
    *,
    by: Actor | None = None,
    about: uuid.UUID | None = None,
    tenant: uuid.UUID | None = None,
    table: str | None = None,
    details: dict[str, str] | None = None,
) -> None:
    """Record an event that no changed row shows; inside the running command if that acts as the system.

    By default it is done by the actor, and seen by their tenant; what a SUPER_ADMIN does, by none. `about` is the key
    of a row of `table`, which is a person's unless given. A table alone is what was viewed as a whole.
    """
    actor = by or current_actor()
    role = "SYSTEM" if actor.role is None else actor.role.name
    changes = {name: [None, value] for name, value in details.items()} if details else None
    event = (
        action.name,
        actor.id,
        role,
        tenant or actor.seen_by,
        table or ("users" if about else None),
        about,
        changes,
        action.is_counted,
    )
    if current_actor() == SYSTEM:
        _add(event)
    else:
        db.session.rollback()  # what failed or was refused is over, and no connection waits for another
        with acting_as(SYSTEM):
            _add(event)


@command
def _add(event: tuple[Any, ...]) -> None:
    # Missing values are bound too, so that the statement is always the same.
    values = (bindparam(None, value, type_=kind) for value, kind in zip(event, RECORDED, strict=True))
    db.session.execute(select(func.portal_record(*values)))


def credit(person: Actor) -> None:
    """Name this person in history and stamps for what the running command of the system does on their behalf."""
    _set(actor_id=person.id or "", actor_role=person.role.name if person.role else "SYSTEM")


def _set(**values: object) -> None:
    """Set what the history reads from the running transaction."""
    db.session.execute(select(*(func.set_config(f"portal.{name}", str(value), True) for name, value in values.items())))


def undoing_operation(operation_id: uuid.UUID) -> None:
    """Mark what the running command does as an undo of a whole operation, whose rows have different versions."""
    _set(undoes=0, undone=operation_id)


class Superseded(Conflict):
    """An undo of values that somebody changed since: `clashes` is (column, value now, value before the change)."""

    def __init__(self, clashes: list[tuple[str, Any, Any]]) -> None:
        super().__init__(None, "Somebody changed this since.")
        self.clashes = clashes


def is_undoable(action: str, changes: dict[str, list[Any]] | None) -> bool:
    """Whether former values are known: those of secrets aren't kept, and a new row is deleted, not undone."""
    return action in CHANGING and bool(changes) and all((changes or {}).values())


def undoing(row: Keyed, version: int) -> dict[str, Any]:
    """The values that undo the change which led to this version of the row, for the running command to set.

    The history marks what the command changes as an undo. Missing if there is no such change that can be undone,
    Superseded if one of its columns was changed since to another value.
    """
    event = db.session.scalars(_made(type(row), row.id, version)).first()
    if event is None or not is_undoable(event.action, event.changes) or came(type(row), event.changes or {}):
        raise Missing
    steps = _steps(row, event.changes or {})
    if steps is None:
        raise Missing
    if clashes := [(one.name, one.now, one.before) for one in steps if one.now not in (one.before, one.after)]:
        raise Superseded(clashes)
    _set(undoes=version, undone=event.operation_id)
    return {one.name: one.before for one in steps}


def undoing_link(table: str, row_id: uuid.UUID, action: str, other: tuple[str, uuid.UUID]) -> None:
    """Mark what the running command does as an undo of the newest such event of a link, which has no version.

    Missing if there is none.
    """
    about = Activity.table_name == table, Activity.row_id == row_id, Activity.action == action
    found = select(Activity.operation_id).where(*about, Activity.changes[other[0]][1].astext == str(other[1]))
    operation = db.session.scalar(found.order_by(Activity.at.desc(), Activity.key.desc()).limit(1))
    if operation is None:
        raise Missing
    _set(undoes=0, undone=operation)


def has_effect(row: Keyed, changes: dict[str, list[Any]]) -> bool:
    """Whether undoing these changes has an effect: no value was changed since, and not all are back already."""
    steps = _steps(row, changes) or []
    is_settled = any(one.now not in (one.before, one.after) for one in steps)
    return not is_settled and any(one.now != one.before for one in steps)


def was_made_here(row: Keyed, version: int) -> bool:
    """Whether this request created this version of a row, with a change that can be undone."""
    table = inspect(type(row)).local_table.name
    here = current_origin().request_id
    event = first_as_system(MADE_HERE, table_name=table, row_id=row.id, row_version=version, request_id=here)
    return event is not None and is_undoable(event.action, event.changes)


class _Step(NamedTuple):
    name: str
    now: Any
    before: Any
    after: Any


def _steps(row: Keyed, changes: dict[str, list[Any]]) -> list[_Step] | None:
    """Each changed column with its current value; None if a later release dropped one."""
    kind = type(row)
    if not changes.keys() <= set(inspect(kind).columns.keys()):
        return None
    return [
        _Step(name, getattr(row, name), *(read(kind, name, value) for value in change))
        for name, change in changes.items()
    ]


def before(model: type[Keyed], row_id: uuid.UUID, version: int) -> dict[str, Any]:
    """The values before the change that led to this version of a row, by column; empty if the actor can't see it."""
    event = db.session.scalars(_made(model, row_id, version)).first()
    changes = (event.changes if event else None) or {}
    return {name: read(model, name, change[0]) for name, change in changes.items() if change}


def held(row: Keyed, version: int, name: str) -> Any:
    """The column's value before this version was made; None if the row was not visible to the actor throughout."""
    since = select(Activity.changes).where(*_about(type(row), row.id), Activity.row_version >= version)
    for changes in db.session.scalars(since.order_by(Activity.row_version)):
        if came(type(row), changes or {}):
            return None
        if changes and changes.get(name):
            return read(type(row), name, changes[name][0])
    return getattr(row, name)


def as_it_was(row: Keyed, at: datetime) -> dict[str, Any] | None:
    """Those of the row's columns that changed since, as they were then; None if it was not there yet.

    For a tenant it was not there before it belonged to the tenant.
    """
    if isinstance(row, Audited) and at < row.created_at:
        return None
    later = select(Activity.action, Activity.changes).where(*_about(type(row), row.id), Activity.at > at)
    values: dict[str, Any] = {}
    for action, changes in db.session.execute(later.order_by(Activity.at.desc(), Activity.id.desc())):
        if action == "create" or came(type(row), changes or {}):
            return None
        if action in CHANGING and changes is None:  # erased: the former values are unknown
            return None
        values |= {name: read(type(row), name, change[0]) for name, change in (changes or {}).items() if change}
    return values


def came(model: type[Keyed], changes: dict[str, list[Any]]) -> bool:
    """Whether the change made the row visible to the actor, who must not read its former values."""
    if current_actor().is_unlimited or not issubclass(model, TenantOwned):
        return False
    moved_to = changes.get(model.tenant().key, (None, None))[1]
    return moved_to is not None or Role.SUPER_ADMIN.name in changes.get("role", ())[:1]


def _made(model: type[Keyed], row_id: uuid.UUID, version: int) -> Select[Activity]:
    return select(Activity).where(*_about(model, row_id), Activity.row_version == version)


def _about(model: type[Keyed], row_id: uuid.UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Activity.table_name == inspect(model).local_table.name, Activity.row_id == row_id


def read(model: type[Any], name: str, value: Any) -> Any:
    """Convert a value of the history to its column's type. It stays as it is if the column was dropped."""
    column = model.__table__.columns.get(name)
    if value is None or column is None:
        return value
    kind = column.type.python_type
    if issubclass(kind, enum.Enum):
        return kind[value]
    return kind.fromisoformat(value) if issubclass(kind, date) else kind(value)  # datetime is one, too
