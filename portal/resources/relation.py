"""Relate the rows of two resources, such as teams and people. Each row's page shows, adds and removes the others."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flask import flash, g, get_flashed_messages, url_for
from sqlalchemy import ColumnElement, Select, bindparam, delete, false, func, or_, select
from wtforms.validators import DataRequired

from portal.core import history
from portal.core.actions import Action
from portal.core.bulk import among
from portal.core.db import command, db
from portal.core.errors import Conflict
from portal.core.models import Link
from portal.core.policy import Permission
from portal.core.relations import link, unlink
from portal.core.scoping import kept
from portal.core.sources import Filter
from portal.core.terms import words_of
from portal.core.text import tidy
from portal.resources.resource import Resource, resources
from portal.web.forms import Form, TextField
from portal.web.given import Given

ELSEWHERE = "The {} and the {} aren't in the same organization, or one of them was deleted. Reload the page."
ORGANIZATION_DELETED = "The organization of the {} is deleted. Restore the organization first."
NOT_FOUND = "No {} matches this entry. Choose a suggestion."
SEVERAL = "Several match this name. Choose a suggestion."
SHOWN = 10
LONGEST = 254
MATCHES = 200


@dataclass(frozen=True)
class Relation:
    """Groups, such as teams, and their members, shown on the pages of both. `permission` allows adding and removing."""

    model: type[Link]
    groups: Resource[Any]
    members: Resource[Any]
    permission: Permission
    noun: str  # of a member
    about: str  # the table's description in the data browser

    @property
    def name(self) -> str:
        """The name of its table and its blueprint."""
        return str(self.model.__tablename__)  # type: ignore[attr-defined]

    @cached_property
    def actions(self) -> tuple[Action, Action]:
        """The actions that portal_record_links records: added, and removed."""
        both, noun = (f"{{{self.members.name}}}", f"{{{self.groups.name}}}"), self.groups.noun
        added, removed = "added {} to {}".format(*both), "removed {} from {}".format(*both)
        return (
            Action(f"{self.noun}_added", added, f"Added to a {noun}", "user-plus"),
            Action(f"{self.noun}_removed", removed, f"Removed from a {noun}", "trash"),
        )

    @cached_property
    def sides(self) -> tuple[Side, Side]:
        plural = f"{self.noun}s".capitalize()
        group, member = self.groups, self.members
        return (
            Side(self, group, member, plural, f"Add {member.noun}", f"No {self.noun}s yet."),
            Side(self, member, group, group.plural.capitalize(), f"Add to {group.noun}", f"Not in any {group.noun}."),
        )


@dataclass(frozen=True)
class Side:
    """The relation from the perspective of one of its resources."""

    relation: Relation
    own: Resource[Any]
    other: Resource[Any]
    heading: str
    verb: str
    empty: str

    @property
    def own_key(self) -> Any:
        return self.relation.model.column_for(self.own.records.model)

    @property
    def _other_key(self) -> Any:
        return self.relation.model.column_for(self.other.records.model)

    def endpoint(self, action: str) -> str:
        """`enter` takes a name, `remove` the key of a row, and `undo` the key in a field named after the action."""
        return f"{self.relation.name}.{self.own.name}_{action}"

    def url(self, action: str, row_id: uuid.UUID) -> str:
        return url_for(self.endpoint(action), id=row_id)

    def change(self, row: Any, other: Any, *, adds: bool, undoes: bool = False) -> bool:
        """Add or remove a link. False if nothing had to be done. Raises Conflict, and Missing if it undoes nothing."""
        problem = self.closed(row) or (deleted(self.other, other) if other.is_deleted else None)
        tenant = tenant_of(self.own, row)
        if problem or tenant is None:
            raise Conflict(None, problem or "")
        try:
            return self._save(tenant, row.id, other.id, adds, undoes)
        except Conflict as conflict:
            message = ORGANIZATION_DELETED if conflict.field == self.relation.model.tenant().key else ELSEWHERE
            raise Conflict(None, message.format(self.own.noun, self.other.noun)) from conflict

    @command
    def _save(self, tenant: uuid.UUID, row_id: uuid.UUID, other_id: uuid.UUID, adds: bool, undoes: bool) -> bool:
        if undoes:
            undone = self.relation.actions[adds].name
            history.undoing_link(self.own.name, row_id, undone, (self.other.name, other_id))
        keys = {self.own_key.key: row_id, self._other_key.key: other_id}
        return (link if adds else unlink)(self.relation.model, tenant, keys)

    def closed(self, row: Any) -> str | None:
        """Why the row's links can't be changed; None if they can."""
        if row.is_deleted:
            return deleted(self.own, row)
        if tenant_of(self.own, row) is None:
            return f"A {self.own.noun} without an organization can't have {self.other.plural}."
        return ORGANIZATION_DELETED.format(self.own.noun) if self.own.organization_deleted(row) else None

    def sentence(self, row: Any, other: Any, verb: str) -> str:
        """What a change did, such as "Ada Lovelace added to Drivers."."""
        group, member = (row, other) if self.own is self.relation.groups else (other, row)
        return f"{self.relation.members.title_of(member)} {verb} {self.relation.groups.title_of(group)}."

    def count(self, *row_ids: uuid.UUID) -> int:
        """How many others these rows have."""
        other = self.other.records.model
        linked = select(func.count(other.id.distinct())).join(self.relation.model, self._other_key == other.id)
        return db.session.scalar(linked.where(among(self.own_key, row_ids))) or 0

    def filter(self) -> Filter:
        """A filter for lists of this side, by a linked row."""
        noun = self.other.noun.capitalize()
        return Filter(
            self._by_other,
            lambda value, _: f"{noun}: {self._called(value)}",
            f"No {self.other.noun} matches this name.",
            label=noun if self.other is self.relation.groups else "",
            suggestions=self.other.name,
            is_found=False,
            is_rare=True,
            any_of=lambda values: or_(
                false(), *(one for value in values if (one := self._by_other(value)) is not None)
            ),
            key_of=self._key_of,
        )

    def _key_of(self, text: str) -> str | None:
        """The key of the only row with this name."""
        found = self.other.identified_by(text) if words_of(text) else ()
        return str(found[0].id) if len(found) == 1 else None

    def _by_other(self, value: str) -> ColumnElement[bool] | None:
        found = (self.other.identified_by(value) or self.other.matching(value, MATCHES)) if words_of(value) else ()
        linked = select(self.own_key).where(self._other_key.in_([row.id for row in found]))
        return self.own.records.model.id.in_(linked) if found else None

    def _called(self, value: str) -> str:
        named = self.other.identified_by(value)
        return self.other.title_of(named[0]) if named else value

    @cached_property
    def _linked(self) -> Select[Any]:
        other = self.other.records.model
        linked = select(other).join(self.relation.model, self._other_key == other.id)
        ordered = linked.order_by(other.sort_name.collate("C"), other.id).limit(SHOWN + 1)
        return kept(ordered.where(self.own_key == bindparam("row_id")))

    def panel(self, row: Any, form: LinkForm | None = None) -> Panel:
        """The panel for a row's page."""
        found = db.session.scalars(self._linked, {"row_id": row.id}).all()
        return Panel(self, row, found[:SHOWN], len(found) > SHOWN, form or self._form(row))

    def keep(self, row_id: uuid.UUID, entry: str) -> None:
        """Keep an entry for the next page of the row that is shown."""
        if text := (tidy(entry) or "")[:LONGEST]:
            flash([self.url("enter", row_id), text], "kept")  # type: ignore[arg-type]

    def _form(self, row: Any) -> LinkForm:
        """The form, with the kept entry."""
        form = LinkForm(self, row)
        kept: Any = get_flashed_messages(category_filter=("kept",))
        for url, text in kept:
            if url == self.url("enter", row.id):
                form.row.data, g.kept = text, True
        return form


class LinkForm(Form):
    """The name of the row to add."""

    row = TextField("", longest=LONGEST, validators=(DataRequired("Enter a name."),))

    def __init__(self, side: Side, row: Any) -> None:
        super().__init__()
        self.side = side
        self.row.id = self.row.label.field_id = f"{side.relation.name}-row"
        options, tenant = f"{self.row.id}-options", tenant_of(side.own, row)
        self.row.label.text = side.verb
        self.row.render_kw = {
            "list": options,
            "hx-get": side.other.url("options", field=self.row.name, organization=tenant),
            "hx-trigger": "focus once, input delay:200ms",
            "hx-target": f"#{options}",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
            "autocomplete": "off",
            "placeholder": side.other.typed_as,
        }


@dataclass(frozen=True)
class Panel:
    """The card on a row's page, with the first linked rows by name."""

    side: Side
    row: Any
    rows: Sequence[Any]
    has_more: bool
    form: LinkForm

    @property
    def all_url(self) -> str:
        """The list of all linked rows."""
        return self.side.other.url("index", **{self.side.own.noun: self.row.id})


def tenant_of(resource: Resource[Any], row: Any) -> uuid.UUID | None:
    """The organization of a row. Without one, it can't be linked."""
    key: uuid.UUID | None = getattr(row, resource.records.model.tenant().key)
    return key


def sides_of(resource: Resource[Any]) -> list[Side]:
    """All relations of a resource, from its side."""
    return [side for one in relations() for side in one.sides if side.own is resource]


def links_of(table: str, *row_ids: uuid.UUID) -> list[str]:
    """The numbers of rows that rows are linked with, by resource, such as "2 teams"."""
    counted = [(side.other, side.count(*row_ids)) for side in sides_of(resources()[table])]
    return [f"{many:,} {other.noun if many == 1 else other.plural}" for other, many in counted if many]


def unlink_all(table: str, row_ids: Collection[uuid.UUID]) -> None:
    """Remove all links of rows that leave their tenant, in the running command: a trigger would do it row by row."""
    for side in sides_of(resources()[table]):
        gone = delete(side.relation.model).where(among(side.own_key, row_ids))
        db.session.execute(gone, execution_options={"synchronize_session": False})


def deleted(resource: Resource[Any], row: Any) -> str:
    return f"{resource.title_of(row)} is deleted. Restore the {resource.noun} first."


def changed_by(table: str | None, action: str) -> tuple[Side, bool] | None:
    """The side whose rows an event of a link is about, and whether it was added; None for other events."""
    for one in relations():
        names = [action.name for action in one.actions]
        if action in names:
            return next(((side, action == names[0]) for side in one.sides if side.own.name == table), None)
    return None


relations: Given[Sequence[Relation]] = Given("relations")


def by_references() -> list[Resource[Any]]:
    """All resources, in an order for creating rows: each after those that it and the links to its members reference."""
    places = {table.name: place for place, table in enumerate(db.metadata.sorted_tables)}

    def last(resource: Resource[Any]) -> int:
        links = (one.name for one in relations() if one.groups is resource)
        return max(places[name] for name in (resource.name, *links))

    return sorted(resources().values(), key=last)
