"""Undo a whole operation: every change that nobody has superseded since, under the rules for changes of that kind."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, cast, false, func, inspect, or_, select, true

from portal.core.actor import current_actor
from portal.core.bulk import BulkChange, Refusal
from portal.core.db import db
from portal.core.errors import Missing
from portal.core.history import CHANGING, Activity
from portal.core.keys import read_key
from portal.core.operations import Operation
from portal.core.policy import allows
from portal.resources.bulk_linking import Linking
from portal.resources.deciding import Part
from portal.resources.relation import Relation, relations
from portal.resources.resource import Resource, resources

ALREADY = "As before already"
SINCE = "Changed again since"
ONE_BY_ONE = "Can be undone in their own history only"
NOT_ALLOWED = "You aren't allowed to undo this"
DELETED = "The {} is deleted"


def can_be_undone(operation_id: uuid.UUID) -> bool:
    """Whether the operation has several events, and some of a kind that can be undone together."""
    linking = [action.name for one in relations() for action in one.actions]
    undoable = Operation.actions.overlap([*CHANGING, *linking])
    found = select(Operation.key).where(Operation.id == operation_id, Operation.shown(), Operation.events > 1, undoable)
    return db.session.scalar(found) is not None


def parts_of(operation_id: uuid.UUID) -> list[Part]:
    """What undoes the operation, as far as the actor sees it. Raises Missing if that is nothing."""
    parts = [*_rows(operation_id), *_links(operation_id)]
    if not parts:
        raise Missing
    for one in parts:
        one.change.undoes = operation_id
    return parts


def _rows(operation_id: uuid.UUID) -> Iterator[Part]:
    """The changed rows, grouped by resource and changed columns."""
    key = func.jsonb_object_keys(Activity.changes).column_valued("key")
    columns = select(func.string_agg(key, " ")).scalar_subquery()
    ids = func.array_agg(Activity.row_id).label("ids")
    events = select(Activity.table_name, Activity.action, columns.label("columns"), ids)
    of_rows = Activity.operation_id == operation_id, Activity.action.in_(CHANGING), Activity.changes.is_not(None)
    groups = events.where(*of_rows).group_by(Activity.table_name, Activity.action, columns)
    for group in db.session.execute(groups):
        if resource := resources().get(group.table_name):
            yield Part(resource, _undoing(resource, group, operation_id), sorted(set(group.ids)))


def _undoing(resource: Resource[Any], group: Row[Any], operation_id: uuid.UUID) -> BulkChange:
    names, actor, may = set(group.columns.split()), current_actor(), resource.permissions
    kind: Any = resource.records.model
    is_allowed = allows(actor, may.delete if "deleted_at" in names else may.write)
    if not is_allowed or not (actor.is_unlimited or resource.guarded.isdisjoint(names)):
        return _refusing(kind, NOT_ALLOWED)
    if not names <= set(inspect(kind).columns.keys()) or resource.setting.one_by_one & names:
        return _refusing(kind, ONE_BY_ONE)
    before = {name: _value(kind, name, 0, operation_id) for name in names}
    after = {name: _value(kind, name, 1, operation_id) for name in names}
    values = {**before, **({"deleted_at": None} if group.action == "delete" else {})}
    change = resource.setting(resource.records, values, ALREADY)
    superseded = (
        and_(getattr(kind, name).is_distinct_from(before[name]), getattr(kind, name).is_distinct_from(after[name]))
        for name in names
    )
    change.also_refused = [Refusal(SINCE, or_(false(), *superseded))]
    return change


def _refusing(kind: Any, reason: str) -> BulkChange:
    change = BulkChange()
    change.model, change.also_refused = kind, [Refusal(reason, true())]
    return change


def _value(kind: Any, name: str, place: int, operation_id: uuid.UUID) -> ColumnElement[Any]:
    """The column's value before (0) or after (1) the operation, for each row."""
    column, version = getattr(kind, name), Activity.row_version
    about = (
        Activity.operation_id == operation_id,
        Activity.table_name == inspect(kind).local_table.name,
        Activity.row_id == kind.id,
    )
    value = select(cast(Activity.changes[name][place].astext, column.type)).where(
        *about, Activity.changes.has_key(name)
    )
    return value.order_by(version.desc() if place else version).limit(1).correlate(kind).scalar_subquery()


def _links(operation_id: uuid.UUID) -> Iterator[Part]:
    """The added and removed links, grouped by relation and group."""
    for relation in relations():
        group = Activity.changes[relation.groups.name][1].astext
        events = select(Activity.action, group.label("group"), func.array_agg(Activity.row_id).label("ids"))
        own = Activity.operation_id == operation_id, Activity.table_name == relation.members.name
        names = [action.name for action in relation.actions]
        for found in db.session.execute(
            events.where(*own, Activity.action.in_(names)).group_by(Activity.action, group)
        ):
            yield Part(relation.members, _relinking(relation, found, adds=found.action != names[0]), found.ids)


def _relinking(relation: Relation, found: Row[Any], *, adds: bool) -> BulkChange:
    kind: Any = relation.members.records.model
    if not allows(current_actor(), relation.permission):
        return _refusing(kind, NOT_ALLOWED)
    key = read_key(found.group)
    group = db.session.scalar(relation.groups.records.by_id(key)) if key else None
    return Linking(relation, group, adds=adds) if group else _refusing(kind, DELETED.format(relation.groups.noun))
