"""Undo a whole operation: every change that nobody has superseded since, under the rules for changes of that kind."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Select, Text, and_, cast, func, inspect, literal, or_, select, true
from sqlalchemy.dialects.postgresql import JSONB

from portal.activity.permissions import ACTIVITY_READ
from portal.core.actor import current_actor
from portal.core.bulk import BulkChange, Refusal, carry_out
from portal.core.db import db
from portal.core.errors import Conflict, Missing
from portal.core.history import CHANGING, Activity, read
from portal.core.keys import read_key
from portal.core.operations import Operation
from portal.core.policy import allows
from portal.jobs.kinds import JobKind
from portal.jobs.models import Job
from portal.resources.bulk_jobs import CHANGED, page
from portal.resources.bulk_linking import Linking
from portal.resources.deciding import Part, decoded, kept_by, result_of
from portal.resources.relation import Relation, relations
from portal.resources.resource import Resource, resources

Changes = Mapping[str, list[Any]]  # by column, the value before and after

FEW = 20  # different values that rows had
JOB = "undo"
MOST_EVENTS = 300_000  # of an operation, because all are read together
ALREADY = "Already as before"
SINCE = "Changed again since"
ONE_BY_ONE = "Can only be undone in their own history"
NOT_ALLOWED = "You aren't allowed to undo this"
DELETED = "The {} is deleted"


def can_be_undone(operation_id: uuid.UUID) -> bool:
    """Whether the operation has several events, and some of a kind that can be undone together."""
    linking = [action.name for one in relations() for action in one.actions]
    undoable = Operation.actions.overlap([*CHANGING, *linking])
    found = _operation(operation_id).where(Operation.events.between(2, MOST_EVENTS), undoable)
    return db.session.scalar(found) is not None


def _operation(operation_id: uuid.UUID) -> Select[uuid.UUID]:
    return select(Operation.key).where(Operation.id == operation_id, Operation.shown())


def parts_of(operation_id: uuid.UUID) -> list[Part]:
    """What undoes the operation, as far as the actor sees it. Raises Missing if that is nothing or too much."""
    if db.session.scalar(_operation(operation_id).where(Operation.events > MOST_EVENTS)):
        raise Missing
    parts = [*_rows(operation_id), *_links(operation_id)]
    if not parts:
        raise Missing
    for one in parts:
        one.change.undoes = operation_id
    return parts


def _rows(operation_id: uuid.UUID) -> Iterator[Part]:
    """The changed rows, in parts of one resource and action, with the same columns and values."""
    own = Activity.operation_id == operation_id, Activity.action.in_(CHANGING), Activity.changes.is_not(None)
    events = select(Activity.table_name, Activity.action, Activity.row_id, Activity.changes).where(*own)
    groups: dict[tuple[str, str, frozenset[str]], dict[uuid.UUID, Changes]] = {}
    for table, action, row_id, changes in db.session.execute(events.order_by(Activity.row_version, Activity.id)):
        groups.setdefault((table, action, frozenset(changes)), {})[row_id] = changes
    for (table, action, _), rows in groups.items():
        if resource := resources().get(table):
            yield from (Part(resource, _undoing(resource, action, some), list(some)) for some in _alike(rows))


def _alike(rows: Mapping[uuid.UUID, Changes]) -> Iterable[Mapping[uuid.UUID, Changes]]:
    """The rows by their values, if these are few, so that what they mean can be said; else all together."""
    found: dict[str, dict[uuid.UUID, Changes]] = {}
    for key, changes in rows.items():
        found.setdefault(json.dumps(changes, sort_keys=True), {})[key] = changes
    return found.values() if len(found) <= FEW else [rows]


def _undoing(resource: Resource[Any], action: str, rows: Mapping[uuid.UUID, Changes]) -> BulkChange:
    kind: Any = resource.records.model
    actor, may, changes = current_actor(), resource.permissions, next(iter(rows.values()))
    is_allowed = allows(actor, may.delete if "deleted_at" in changes else may.write)
    if not is_allowed or not (actor.is_unlimited or resource.guarded.isdisjoint(changes)):
        return _refusing(kind, NOT_ALLOWED)
    is_known = changes.keys() <= set(inspect(kind).columns.keys()) and all(changes.values())
    if not is_known or resource.setting.one_by_one & changes.keys():
        return _refusing(kind, ONE_BY_ONE)
    before, after = ({name: _value(kind, name, place, rows) for name in changes} for place in (0, 1))
    change = resource.setting(resource.records, before, ALREADY)
    superseded = (
        and_(getattr(kind, name).is_distinct_from(before[name]), getattr(kind, name).is_distinct_from(after[name]))
        for name in changes
    )
    change.also_refused = [Refusal(SINCE, or_(*superseded))]
    return change


def _value(kind: Any, name: str, place: int, rows: Mapping[uuid.UUID, Changes]) -> Any:
    """The column's value before (0) or after (1) the operation: an expression unless it is the same for all rows."""
    found = {str(key): changes[name][place] for key, changes in rows.items()}
    first = next(iter(found.values()))
    if all(one == first for one in found.values()):
        return read(kind, name, first)
    return cast(literal(found, JSONB)[cast(kind.id, Text)].astext, getattr(kind, name).type)


def _refusing(kind: Any, reason: str) -> BulkChange:
    change = BulkChange()
    change.model, change.also_refused = kind, [Refusal(reason, true())]
    return change


def _links(operation_id: uuid.UUID) -> Iterator[Part]:
    """The added and removed links, grouped by relation and group."""
    for relation in relations():
        group = Activity.changes[relation.groups.name][1].astext
        events = select(Activity.action, group.label("group"), func.array_agg(Activity.row_id).label("ids"))
        own = Activity.operation_id == operation_id, Activity.table_name == relation.members.name
        names = [action.name for action in relation.actions]
        for found in db.session.execute(
            events.where(*own, Activity.action.in_(names))
            .group_by(Activity.action, group)
            .order_by(Activity.action, group)
        ):
            yield Part(relation.members, _relinking(relation, found, adds=found.action != names[0]), found.ids)


def _relinking(relation: Relation, found: Row[Any], *, adds: bool) -> BulkChange:
    kind: Any = relation.members.records.model
    if not allows(current_actor(), relation.permission):
        return _refusing(kind, NOT_ALLOWED)
    key = read_key(found.group)
    group = db.session.scalar(relation.groups.records.by_id(key)) if key else None
    return Linking(relation, group, adds=adds) if group else _refusing(kind, DELETED.format(relation.groups.noun))


def _step(job: Job) -> bool:
    """Undo the confirmed rows in one transaction, except for those changed since."""
    parts, confirmed = parts_of(uuid.UUID(job.arguments["operation"])), job.arguments["rows"]
    if len(parts) != len(confirmed):
        raise Conflict(None, CHANGED)
    parts = [replace(part, ids=decoded(rows)) for part, rows in zip(parts, confirmed, strict=True)]
    verdicts, operation = carry_out([(one.change, one.ids) for one in parts], lambda _: True)
    settled = sum(len(one.changed) + len(one.refused.get(ALREADY, ())) for one in verdicts)
    many = sum(len(one.ids) for one in parts)
    job.advance(many, failed=many - settled)
    job.result = result_of(parts, verdicts, operation)
    return False


KIND = JobKind(JOB, ACTIVITY_READ, _step, page, noun="row", kept=kept_by)
