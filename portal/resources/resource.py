"""Describe one kind of record, once: what pages, history, data browser, self-test and demo data need to know of it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from flask import flash, url_for
from sqlalchemy import ColumnElement, Select, inspect, select, true
from sqlalchemy.orm import aliased

from portal.core.actor import current_actor
from portal.core.db import db
from portal.core.errors import Missing
from portal.core.listing import Filter, Listing
from portal.core.models import Record
from portal.core.policy import Permission, Permissions, allows
from portal.core.records import Records
from portal.core.terms import matches, words_of
from portal.resources.changes import Wording, changed, in_words
from portal.resources.demo import Demo, DemoRows
from portal.resources.samples import Samples, SampleTenant
from portal.web.forms import EditForm, Form, NewForm
from portal.web.given import Given

Row = TypeVar("Row", bound=Record)
SUGGESTIONS = 10
SAME_NAME = 200


@dataclass(frozen=True)
class Column:
    """A column of a list. Its cells are rendered by the macro `cell` of templates/<resource>/cells.html."""

    name: str  # also of the sort, where the tab can be sorted by it
    label: str
    cell: str
    tabs: tuple[str, ...] = ()  # where it is shown; everywhere if empty
    permission: Permission | None = None  # only whoever holds it sees the column
    is_minor: bool = False  # hidden on narrow screens unless the list is sorted by it
    is_labeled: bool = False  # on a phone, where there are no column heads, the label stands before the value

    def is_shown(self, listing: Listing) -> bool:
        is_allowed = self.permission is None or allows(current_actor(), self.permission)
        return is_allowed and (not self.tabs or listing.status in self.tabs)


@dataclass(frozen=True)
class Empty:
    """Why a tab of a list is empty, and what leads out of it."""

    title: str
    text: str
    icon: str
    offers_new: bool = False


class Resource(ABC, Generic[Row]):
    """One kind of record, with pages of its own. Subclasses declare the fields and override what differs."""

    records: Records[Row]
    plural: ClassVar[str]
    icon: ClassVar[str]
    searched: ClassVar[str] = "Name"  # what a search looks at, as the field's hint
    columns: ClassVar[Sequence[Column]]
    empty: ClassVar[Mapping[str, Empty]]  # by tab; deleted rows have a default
    new_form: type[NewForm]
    edit_form: type[EditForm]
    labels: ClassVar[Mapping[str, str]]  # the columns that people know, by what they call them
    switches: ClassVar[Mapping[str, tuple[Wording, Wording]]] = {}  # changes of a column to no, and to yes
    icons: ClassVar[Mapping[str, str]] = {}  # the history's marks for changes of some columns
    guarded: ClassVar[frozenset[str]] = frozenset({"organization_id"})  # columns that only a SUPER_ADMIN may undo
    sensitive: ClassVar[frozenset[str]] = frozenset()  # columns that only somebody who just signed in may undo
    restoring: ClassVar[str] = "Brings everything back as it was."  # what it means, on the button's card
    acts: ClassVar[bool] = False  # its rows are people, whose own changes can be listed
    is_square: ClassVar[bool] = False  # its mark, beside the name

    @property
    def name(self) -> str:
        """Of its table, its blueprint and its templates' folder."""
        return str(self.records.model.__tablename__)  # type: ignore[attr-defined]

    @property
    def noun(self) -> str:
        return self.records.noun

    @property
    def permissions(self) -> Permissions:
        return self.records.permissions

    @property
    def icon_new(self) -> str:
        """The icon of the button that creates one."""
        return self.icon

    @property
    def about(self) -> str:
        """What the data browser says of the table."""
        return f"{self.plural.capitalize()}, including deleted ones."

    @property
    def deleting(self) -> str:
        """What deleting means, on the button's card."""
        return f"Can be restored from the deleted {self.plural}."

    def url(self, page: str, row_id: uuid.UUID | None = None, **arguments: Any) -> str:
        """The address of one of its pages."""
        where: dict[str, Any] = {} if row_id is None else {"id": row_id}
        return url_for(f"{self.name}.{page}", **where, **arguments)

    def history_url(self, row_id: uuid.UUID) -> str:
        return url_for(f"{self.name}_activity.show", id=row_id)

    def undo_url(self, row_id: uuid.UUID) -> str:
        return url_for(self.undo_endpoint, id=row_id)

    @property
    def undo_endpoint(self) -> str:
        return f"{self.name}_activity.undo"

    def navigation(self) -> tuple[str, str] | None:
        """The label and address in the navigation, for those who may see the list."""
        is_listed = allows(current_actor(), self.permissions.list)
        return (self.plural.capitalize(), self.url("index")) if is_listed else None

    # The list

    def lead(self) -> str:
        """Below the list's title."""
        where = "every organization" if current_actor().is_unlimited else "your organization"
        return f"All {self.plural} in {where}."

    def why_empty(self, listing: Listing) -> Empty:
        """What a list without rows says."""
        if not listing.is_filtered:
            deleted = Empty(
                f"No deleted {self.plural}", f"Deleted {self.plural} appear here, and can be restored.", "trash"
            )
            return {"deleted": deleted, **self.empty}[listing.status]
        title = f"No {self.plural} match “{listing.q}”" if listing.q else f"No {self.plural} match these filters"
        fewer = "fewer letters" if listing.q else "fewer filters"
        fields = self.searched[:1].lower() + self.searched[1:]
        by = f"No match by {fields} among {listing.tab.label.lower()} {self.plural}."
        text = f"{by} Try {fewer} or another tab." if listing.q else f"Try {fewer} or another tab."
        return Empty(title, text, "search", offers_new=True)

    @abstractmethod
    def listing(self, arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter]) -> Listing:
        """The list that an address asks for, with further filters."""

    def listed(self) -> ColumnElement[bool]:
        """The condition of the list's first tab, besides that a row isn't deleted."""
        return true()

    def title_of(self, row: Any) -> str:
        """How a row, or one of the list's, is called."""
        return str(row.name)

    # Rows that somebody types the name of

    def matching(self, text: str, most: int, tenant: uuid.UUID | None = None) -> Sequence[Row]:
        """The first rows that a search finds, by name, of one tenant or of every one that the actor sees."""
        model: Any = self.records.model
        own = () if tenant is None else (model.tenant() == tenant,)
        found = select(model).where(*own, *matches(model.search_text, text))
        return db.session.scalars(found.order_by(model.sort_name.collate("C"), model.id).limit(most)).all()

    def typed(self, row: Row) -> Sequence[str]:
        """What can be typed to mean the row. The first is suggested."""
        return (self.title_of(row),)

    def subtitle_of(self, row: Row) -> str:
        """What distinguishes the row from others with the same name."""
        return ""

    def meant(self, text: str, tenant: uuid.UUID | None = None) -> Sequence[Row]:
        """The rows that a typed name or key means; several if they share the name."""
        try:
            keyed = self.records.by_id(uuid.UUID(text))
        except ValueError:
            name = " ".join(words_of(text)).casefold()
            found = self.matching(text, SAME_NAME, tenant) if name else ()
            return [row for row in found if name in (one.casefold() for one in self.typed(row))]
        own = () if tenant is None else (self.records.model.tenant() == tenant,)
        return db.session.scalars(keyed.where(*own)).all()

    def suggested(self, text: str, tenant: uuid.UUID | None) -> Sequence[tuple[str, str]]:
        """What to type for rows that match so far, and their subtitles."""
        return [(self.typed(row)[0], self.subtitle_of(row)) for row in self.matching(text, SUGGESTIONS, tenant)]

    # Its history

    @cached_property
    def named(self) -> Any:
        """An alias of the model, whose names the history shows."""
        return aliased(self.records.model, name=f"named_{self.name}")

    def sql_name(self, row: Any) -> Any:
        """`title_of` in SQL, of the model or an alias of it."""
        return row.name

    @cached_property
    def references(self) -> Mapping[str, str]:
        """Columns that hold the key of a row, by the table of that row."""
        columns = inspect(self.records.model).local_table.columns
        keys = ((column.name, one.column) for column in columns for one in column.foreign_keys)
        return {name: key.table.name for name, key in keys if key.name == "id"}

    def wording(self, event: Any) -> Wording:
        """How the history words an event that changed some columns."""
        return changed(event.changes, self.labels, self.switches)

    def in_words(self, name: str, value: Any) -> str | None:
        """A column's value as people read it, given as in a row or in the history. None if empty."""
        return in_words(value)

    def called(self, text: str, most: int) -> Sequence[uuid.UUID]:
        """The keys of some rows, deleted ones too, that a search finds."""
        model: Any = self.records.model
        found = select(model.id).where(*matches(model.search_text, text)).limit(most)
        return db.session.scalars(found, execution_options={"with_deleted": True}).all()

    def may_be_undone(self, row_id: uuid.UUID, changes: Mapping[str, Any]) -> bool:
        """Whether the actor may undo these changes, as far as that can be told without the row."""
        actor, may = current_actor(), self.permissions
        if "deleted_at" in changes and not allows(actor, may.delete):
            return False
        return allows(actor, may.write) and (actor.is_unlimited or self.guarded.isdisjoint(changes))

    def undone(self, row: Row, values: Mapping[str, Any]) -> str:
        """What undoing did, as a sentence."""
        return f"{self.title_of(row)} deleted again." if row.is_deleted else "Change undone."

    # One row

    def detailed(self, row_id: uuid.UUID) -> Select[Row]:
        """The statement for one row, with what its pages show besides."""
        return self.records.by_id(row_id)

    def one(self, row_id: uuid.UUID, *, with_deleted: bool = False) -> Row:
        """The row. Missing where there is none."""
        row = db.session.scalar(self.detailed(row_id), execution_options={"with_deleted": with_deleted})
        if row is None:
            raise Missing
        return row

    def apart(self, row_id: uuid.UUID) -> dict[str, Any]:
        """What its own page needs from another connection: read first, so that no connection waits for another."""
        return {}

    def context(self, row: Row) -> dict[str, Any]:
        """What the row's own page needs besides the row."""
        return {}

    # Its forms

    def options(self, form: Form) -> dict[str, Any]:
        """Further arguments for `records.create`."""
        return {}

    def created(self, form: Form) -> None:
        """Say what was created."""
        flash(f"{self.noun.capitalize()} created.", "success")

    def edited(self, row: Row, form: Form) -> None:
        """Say what an edit leads to, besides that it is saved."""

    def hint(self) -> str | None:
        """What to know before creating a row."""
        return None

    # Rows for the isolation self-test and the demo

    def samples(self, tenant: SampleTenant) -> Samples:
        """Rows of a tenant, with `tenant.texts` in every text."""
        return iter(())

    def demo(self, demo: Demo) -> DemoRows:
        """Believable rows for the demo, by model: first its own. Those that they reference are in the database then."""
        return iter(())

    # What a change means, in sentences to be confirmed

    def means_of_creating(self, form: Form) -> list[str]:
        return []

    def means_of_editing(self, form: Form, row: Row) -> list[str]:
        return []

    def means_of_deleting(self, row: Row) -> list[str]:
        """At least one sentence: deleting is always confirmed."""
        return [f"It can be restored from the deleted {self.plural}."]

    def means_of_restoring(self, row: Row) -> list[str]:
        return []

    def means_of_undoing(self, row: Row, values: Mapping[str, Any]) -> list[str]:
        """By default those of restoring, where undoing restores the row."""
        return self.means_of_restoring(row) if values.get("deleted_at", ...) is None else []

    def is_sensitive(self, form: Form, row: Row | None) -> bool:
        """Whether saving the form needs a recent sign-in."""
        return False


resources: Given[Mapping[str, Resource[Any]]] = Given("resources")  # by the name of their table


def by_references() -> list[Resource[Any]]:
    """All resources, each after those that it references."""
    described = resources()
    return [described[table.name] for table in db.metadata.sorted_tables if table.name in described]
