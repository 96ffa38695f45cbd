"""Decide which changes can be undone."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, literal, select, tuple_

from portal.core.actor import current_actor
from portal.core.db import db
from portal.core.history import has_effect, is_undoable
from portal.core.keys import read_key
from portal.core.models import Record
from portal.core.policy import allows
from portal.organizations.models import Organization
from portal.resources.relation import Relation, Side, changed_by
from portal.resources.resource import Resource, resources


@dataclass(frozen=True)
class Undo:
    """The button that undoes a change: the endpoint for its row, and the field that it sends."""

    endpoint: str
    field: str
    value: object


def undoable_among(events: Sequence[Row[Any]], *, of_one_row: bool) -> dict[uuid.UUID, Undo]:
    """Events whose undo would have an effect on the rows as they are now. The command checks again, under a lock."""
    seen: set[Any] = set()
    offered, links = [], []
    for event in events:
        changed = _changed_by(event)
        if not (of_one_row and seen & changed):
            if link := _link_of(event):
                links.append(link)
            elif _may_be_undone(event):
                offered.append(event)
        seen |= changed
    rows = {row.id: row for one in resources().values() for row in _rows_of(one, offered)}
    found = [one for one in offered if one.row_id in rows and _has_effect(rows[one.row_id], one.changes)]
    undone = {one.id: Undo(resources()[one.table_name].undo_endpoint, "version", one.row_version) for one in found}
    return undone | _undone_links(links)


@dataclass(frozen=True)
class _Link:
    """An event that added or removed a link, from the perspective of the row that it is about."""

    event: Row[Any]
    side: Side
    added: bool
    other: uuid.UUID

    @property
    def pair(self) -> tuple[uuid.UUID, uuid.UUID]:
        """The keys of the group and of the member."""
        own = self.event.row_id
        return (own, self.other) if self.side.own is self.side.relation.groups else (self.other, own)

    @property
    def undo(self) -> Undo:
        return Undo(self.side.endpoint("undo"), self.event.action, self.other)


def _changed_by(event: Row[Any]) -> set[Any]:
    """What only the newest of a row's events can undo: columns, or the link to another row."""
    link = changed_by(event.table_name, event.action)
    return {(link[0], str(event.changes))} if link else set(event.changes or ())


def _link_of(event: Row[Any]) -> _Link | None:
    """The link that the event added or removed, if the reader may change it."""
    link = changed_by(event.table_name, event.action)
    if link is None or not allows(current_actor(), link[0].relation.permission):
        return None
    key = read_key(str(((event.changes or {}).get(link[0].other.name) or [None])[-1]))
    return _Link(event, *link, key) if key else None


def _undone_links(links: Sequence[_Link]) -> dict[uuid.UUID, Undo]:
    """Those that are still as the event left them, and whose rows and organization aren't deleted."""
    found = {}
    for relation in {one.side.relation: None for one in links}:
        own = [one for one in links if one.side.relation is relation]
        is_linked = {(row.group, row.member): row.is_linked for row in db.session.execute(_states(relation, own))}
        found.update({one.event.id: one.undo for one in own if is_linked.get(one.pair) is one.added})
    return found


def _states(relation: Relation, links: Sequence[_Link]) -> Any:
    """Whether these rows are linked, as far as both are in the same organization and nothing is deleted."""
    group, member = relation.groups.records.model, relation.members.records.model
    pairs = [one.pair for one in links]
    to_group, to_member = relation.model.column_for(group), relation.model.column_for(member)
    is_linked = select(literal(1)).where(to_group == group.id, to_member == member.id).correlate(group, member).exists()
    rows = select(group.id.label("group"), member.id.label("member"), is_linked.label("is_linked"))
    return rows.where(
        tuple_(group.id, member.id).in_(pairs),
        group.id.in_({one for one, _ in pairs}),
        member.id.in_({other for _, other in pairs}),
        group.tenant() == member.tenant(),
        group.tenant().not_in(Organization.deleted_keys()),
    )


def _rows_of(resource: Resource[Any], events: Sequence[Row[Any]]) -> Iterable[Record]:
    wanted = {one.row_id for one in events if one.table_name == resource.name}
    found = select(resource.records.model).where(resource.records.model.id.in_(wanted))
    return db.session.scalars(found, execution_options={"with_deleted": True}) if wanted else ()


def _has_effect(row: Record, changes: dict[str, list[Any]]) -> bool:
    """Whether undo has an effect. A deleted row must be restored before anything else of it is undone."""
    return not (row.is_deleted and "deleted_at" not in changes) and has_effect(row, changes)


def _may_be_undone(row: Row[Any]) -> bool:
    """Whether the reader is allowed to undo it."""
    resource, changes = resources().get(row.table_name), row.changes or {}
    return resource is not None and is_undoable(row.action, changes) and resource.may_be_undone(row.row_id, changes)
