"""Add the selected rows of a list to a group, such as a team, or remove them from it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import delete, literal, not_, select
from sqlalchemy.dialects.postgresql import insert

from portal.core.bulk import BulkChange, Refusal, among
from portal.core.db import db
from portal.core.errors import Conflict
from portal.resources.bulk import BulkAction, Entry
from portal.resources.relation import Relation, sides_of, tenant_of
from portal.resources.resource import Resource


class Linking(BulkChange):
    """Add members to a group, or remove them."""

    def __init__(self, relation: Relation, group: Any, *, adds: bool) -> None:
        self.relation, self.group, self.adds = relation, group, adds
        self.model = relation.members.records.model
        self.to_group = relation.model.column_for(relation.groups.records.model)
        self.to_member = relation.model.column_for(self.model)

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        noun, member = self.relation.groups.noun, self.model
        linked = select(literal(1)).where(self.to_group == self.group.id, self.to_member == member.id).exists()
        if not self.adds:
            return [Refusal(f"Not in the {noun}", not_(linked))]
        elsewhere = member.tenant().is_distinct_from(tenant_of(self.relation.groups, self.group))
        return [
            Refusal(f"Already in the {noun}", linked),
            Refusal(f"Not in the organization of the {noun}", elsewhere),
        ]

    def lock(self, ids: Sequence[uuid.UUID]) -> None:
        """In the order in which portal_check_links does."""
        groups, member = self.relation.groups.records.model, self.model
        locked = select(groups).where(groups.id == self.group.id).with_for_update(read=True)
        if db.session.scalar(locked, execution_options={"populate_existing": True}) is None:
            raise Conflict(None, f"The {self.relation.groups.noun} was deleted.")
        rows = select(member.id).where(among(member.id, ids)).order_by(member.id)
        db.session.execute(rows.with_for_update(read=True)).all()

    def apply(self, ids: Sequence[uuid.UUID]) -> None:
        model, tenant = self.relation.model, tenant_of(self.relation.groups, self.group)
        if not self.adds:
            removed = delete(model).where(self.to_group == self.group.id, among(self.to_member, ids))
            db.session.execute(removed, execution_options={"synchronize_session": False})
            return
        own = {self.to_group.key: self.group.id, model.tenant().key: tenant}
        added = insert(model).on_conflict_do_nothing().returning(self.to_member)  # rows are sent together
        db.session.execute(added, [{**own, self.to_member.key: key} for key in ids]).all()


def linking_actions(resource: Resource[Any]) -> Iterator[BulkAction]:
    """The actions on members of groups."""
    for side in sides_of(resource):
        if side.own is side.relation.members:
            yield _action(side.relation, adds=True)
            yield _action(side.relation, adds=False)


def _action(relation: Relation, *, adds: bool) -> BulkAction:
    noun = relation.groups.noun
    name, verb, done, to, icon = (
        ("add", "Add", "added", "to", "plus") if adds else ("remove", "Remove", "removed", "from", "x")
    )
    return BulkAction(
        f"{name}-{relation.name}",
        f"{verb} {to} {noun}",
        icon,
        f"{verb} {{}} {to} {{entry}}",
        f"{{}} {done} {to} {{entry}}.",
        relation.permission,
        lambda group: Linking(relation, group, adds=adds),
        entry=Entry(relation.groups.name, f"a {noun}"),
    )
