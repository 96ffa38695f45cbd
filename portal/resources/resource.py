"""The description of one kind of record, for pages, history, data browser, self-test and demo data."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from flask import flash, url_for
from markupsafe import Markup
from sqlalchemy import ColumnElement, case, inspect, select
from sqlalchemy.orm import aliased

from portal.core.actor import current_actor
from portal.core.bulk import Setting
from portal.core.db import db
from portal.core.entities import Detail
from portal.core.errors import Missing
from portal.core.keys import read_key
from portal.core.listing import Filter, Listing
from portal.core.models import Record
from portal.core.policy import Permissions, allows
from portal.core.records import Records
from portal.core.terms import begins_with, is_called, matches, words_of
from portal.resources.bulk import BulkAction
from portal.resources.cells import table_rows
from portal.resources.changes import Wording, changed, in_words
from portal.resources.columns import Column
from portal.resources.demo import Demo, DemoRows
from portal.resources.empty import Empty
from portal.resources.samples import Samples, SampleTenant
from portal.web.forms import EditForm, Form, NewForm
from portal.web.given import Given
from portal.web.urls import path_of

Row = TypeVar("Row", bound=Record)
SUGGESTIONS, SAME_NAME = 10, 200  # at most
KINDS: Mapping[str, str] = {"csv": "CSV", "jsonl": "JSON Lines", "xlsx": "XLSX"}


class Resource(ABC, Generic[Row]):
    """One kind of record, with pages of its own. Subclasses declare the fields and override what differs."""

    records: Records[Row]
    plural: ClassVar[str]
    icon: ClassVar[str]
    searched: ClassVar[str] = "Name"  # the searched fields, as the placeholder of the search
    typed_as: ClassVar[str] = "Name"  # what people enter to identify a row, as a field's placeholder
    columns: ClassVar[Sequence[Column]]
    shown_with: ClassVar[Sequence[Any]] = ()  # relationships to at most one row, loaded with a row for its pages
    empty: ClassVar[Mapping[str, Empty]]  # by tab; deleted rows have a default
    new_form: type[NewForm]
    edit_form: type[EditForm]
    labels: ClassVar[Mapping[str, str]]  # labels of the columns that people see
    switches: ClassVar[Mapping[str, tuple[Wording, Wording]]] = {}  # for boolean columns: changed to no, and to yes
    icons: ClassVar[Mapping[str, str]] = {}  # icons in the history for changes of some columns
    guarded: ClassVar[frozenset[str]] = frozenset({"organization_id"})  # columns that only a SUPER_ADMIN may undo
    sensitive: ClassVar[frozenset[str]] = frozenset()  # columns whose changes can be undone only after reauthentication
    restoring: ClassVar[str] = "Restores it exactly as it was."  # explanation beside the button
    imported: ClassVar[Mapping[str, Sequence[str]]] = {}  # fields that files can contain, each with known headings
    actions: ClassVar[Sequence[BulkAction]] = ()  # on selected rows, besides those of every resource
    setting: ClassVar[type[Setting]] = Setting  # sets values of many rows
    unique: ClassVar[str] = ""  # a column that, like the name, identifies rows in the search
    beside_new: ClassVar[Sequence[tuple[str, str, str]]] = ()  # links beside the button: icon, label, endpoint
    are_people: ClassVar[bool] = False  # whether its rows are people, whose own changes can be listed
    is_square: ClassVar[bool] = False  # whether the icon beside the name is square

    @property
    def name(self) -> str:
        """The name of its table, its blueprint and the folder of its templates."""
        return str(self.records.model.__tablename__)  # type: ignore[attr-defined]

    @property
    def noun(self) -> str:
        return self.records.noun

    @property
    def permissions(self) -> Permissions:
        return self.records.permissions

    @property
    def icon_new(self) -> str:
        """The icon of the button that creates a record."""
        return self.icon

    @property
    def about(self) -> str:
        """The table's description in the data browser."""
        return f"{self.plural.capitalize()}, including deleted ones."

    @property
    def deleting(self) -> str:
        """The explanation beside the button that deletes."""
        return f"You can restore it from the deleted {self.plural}."

    def url(self, page: str, row_id: uuid.UUID | None = None, **arguments: Any) -> str:
        """The URL of one of its pages."""
        where = arguments if row_id is None else {"id": row_id, **arguments}
        return url_for(f"{self.name}.{page}", **where) if where else path_of(f"{self.name}.{page}")

    def history_url(self, row_id: uuid.UUID) -> str:
        return url_for(f"{self.name}_activity.show", id=row_id)

    def undo_url(self, row_id: uuid.UUID) -> str:
        return url_for(self.undo_endpoint, id=row_id)

    @property
    def undo_endpoint(self) -> str:
        return f"{self.name}_activity.undo"

    def navigation(self) -> tuple[str, str] | None:
        """The label and URL in the navigation, if the actor may see the list."""
        return (self.plural.capitalize(), self.url("index")) if allows(current_actor(), self.permissions.list) else None

    # The list

    def lead(self) -> str:
        """The text below the list's title."""
        where = "every organization" if current_actor().is_unlimited else "your organization"
        return f"All {self.plural} in {where}."

    def why_empty(self, listing: Listing) -> Empty:
        """The empty state of a list."""
        if not listing.is_filtered:
            deleted = Empty(
                f"No deleted {self.plural}", f"Deleted {self.plural} appear here and can be restored.", "trash"
            )
            return {"deleted": deleted, **self.empty}[listing.status]
        title = f"No {self.plural} match “{listing.q}”" if listing.q else f"No {self.plural} match these filters"
        fewer = "fewer letters" if listing.q else "fewer filters"
        fields = self.searched[:1].lower() + self.searched[1:]
        by = f"No match by {fields} among {listing.tab.label.lower()} {self.plural}. " if listing.q else ""
        return Empty(title, f"{by}Try {fewer} or another tab.", "search", offers_new=True)

    @abstractmethod
    def listing(self, arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter]) -> Listing:
        """The list for these URL arguments, with additional filters."""

    @abstractmethod
    def exported(self) -> Mapping[str, Any]:
        """The columns of a downloaded list: headings, and expressions over the list's statement."""

    def exports(self, listing: Listing) -> list[tuple[str, str]]:
        """The kinds of downloads of this list, with their URLs."""
        url, path = listing.url_with, listing.path
        return [(label, url(format=kind).replace(path, self.url("export"), 1)) for kind, label in KINDS.items()]

    def shown(self, listing: Listing, rows: Sequence[Any], columns: Sequence[Column]) -> Markup:
        """The rows of a page as its table shows them."""
        named = ((row, self.title_of(row), self.subtitle_of(row)) for row in rows)
        return table_rows(named, columns, listing, self.url("index"), self.permissions)

    def title_of(self, row: Any) -> str:
        """The name of a row, or of a row of a list."""
        return str(row.name)

    # Rows that are looked up by an entered name

    def matching(self, text: str, most: int, tenant: uuid.UUID | None = None) -> Sequence[Row]:
        """Some matching rows, those with this name first, of one tenant or of all that the actor sees."""
        model: Any = self.records.model
        by_name = model.sort_name.collate("C")
        rank = case((is_called(by_name, text), 1), (begins_with(model.search_text, text), 2), else_=3)
        found = select(model).where(*self._of(tenant), *matches(model.search_text, text))
        return db.session.scalars(found.order_by(rank, by_name, model.id).limit(most)).all()

    def typed(self, row: Row) -> Sequence[str]:
        """The texts that identify the row when entered. The first one is suggested."""
        return (self.title_of(row),)

    def subtitle_of(self, row: Any) -> str:
        """A text that distinguishes the row from others with the same name."""
        return ""

    def identified_by(self, text: str, tenant: uuid.UUID | None = None) -> Sequence[Row]:
        """The rows with the entered key or name. Several if they have the same name."""
        if (key := read_key(text)) and (row := db.session.scalar(self.records.by_id(key).where(*self._of(tenant)))):
            return [row]
        words, entered = words_of(text), " ".join(text.split())
        found = self.matching(text, SAME_NAME, tenant) if words else ()
        exact = [row for row in found if entered in self.typed(row)]
        names = entered.casefold(), " ".join(words).casefold()
        return exact or [row for row in found if any(one.casefold() in names for one in self.typed(row))]

    def _of(self, tenant: uuid.UUID | None) -> Sequence[ColumnElement[bool]]:
        return () if tenant is None else (self.records.model.tenant() == tenant,)

    def suggested(self, text: str, tenant: uuid.UUID | None) -> Sequence[tuple[str, str]]:
        """Suggestions for the text entered so far, with subtitles."""
        found = self.matching(text, SUGGESTIONS, tenant)
        return list(dict.fromkeys((self.typed(row)[0], self.subtitle_of(row)) for row in found))

    # Its history

    @cached_property
    def named(self) -> Any:
        """An alias of the model, for names in the history."""
        return aliased(self.records.model, name=f"named_{self.name}")

    def sql_name(self, row: Any) -> Any:
        """`title_of` in SQL, for the model or an alias."""
        return row.name

    @cached_property
    def references(self) -> Mapping[str, str]:
        """The columns with keys of other rows, and the tables of those rows."""
        keys = inspect(self.records.model).local_table.foreign_keys
        return {key.parent.name: key.column.table.name for key in keys if key.column.name == "id"}

    def wording(self, event: Any) -> Wording:
        """The wording of an event in the history that changed some columns."""
        return changed(event.changes, self.labels, self.switches)

    def in_words(self, name: str, value: Any) -> str | None:
        """A column's value in readable form, given a value of a row or of the history. None if empty."""
        return in_words(value)

    def keys_matching(self, text: str, most: int) -> Sequence[uuid.UUID]:
        """The keys of at most `most` matching rows, including deleted ones."""
        model: Any = self.records.model
        found = select(model.id).where(*matches(model.search_text, text)).limit(most)
        return db.session.scalars(found, execution_options={"with_deleted": True}).all()

    def may_be_undone(self, row_id: uuid.UUID, changes: Mapping[str, Any]) -> bool:
        """Whether the actor may undo these changes, as far as this is known without the row."""
        actor, may = current_actor(), self.permissions
        is_allowed = allows(actor, may.write) and (actor.is_unlimited or self.guarded.isdisjoint(changes))
        return is_allowed and ("deleted_at" not in changes or allows(actor, may.delete))

    def undone(self, row: Row, values: Mapping[str, Any]) -> str:
        """A sentence about what was undone."""
        return f"{self.title_of(row)} deleted again." if row.is_deleted else "Change undone."

    # One row

    @cached_property
    def _detail(self) -> Detail[Row]:
        return Detail(self.records.model, self.shown_with)

    def one(self, row_id: uuid.UUID, *, with_deleted: bool = False) -> Row:
        """The row, with the rows that `shown_with` names. Raises Missing if there is none."""
        row = self._detail.one(row_id, with_deleted=with_deleted)
        if row is None:
            raise Missing
        return row

    def prefetched(self, row_id: uuid.UUID) -> dict[str, Any]:
        """Data for the row's page that needs another connection: read first, so that no request holds two at once."""
        return {}

    def context(self, row: Row) -> dict[str, Any]:
        """Additional variables for the template of the row's page."""
        return {}

    def organization_deleted(self, row: Row) -> bool:
        """Whether a row that isn't deleted itself belongs to a deleted organization, which it is shown with."""
        organization = getattr(row, "organization", None)
        return bool(organization and organization.is_deleted) and not row.is_deleted

    @property
    def can_move(self) -> bool:
        """Whether editing can move a row to another organization."""
        return hasattr(self.edit_form, "organization_id")

    # Its forms

    def options(self, form: Form) -> dict[str, Any]:
        """Additional arguments for `records.create`."""
        return {}

    def created(self, form: Form, row_id: uuid.UUID) -> str:
        """Flash a message after a row was created. Returns the URL of the next page."""
        flash(f"{self.noun.capitalize()} created.", "success")
        return self.url("show", row_id)

    def edited(self, row: Row, form: Form) -> None:
        """Flash additional messages after a row was changed."""

    def hint(self) -> str | None:
        """A hint above the form for a new row."""
        return None

    # Rows for the isolation self-test and the demo

    def samples(self, tenant: SampleTenant) -> Samples:
        """Rows of a tenant, with `tenant.texts` in every text."""
        return iter(())

    def demo(self, demo: Demo) -> DemoRows:
        """Realistic rows for the demo, by model, its own first. Rows that they reference already exist."""
        return iter(())

    # Consequences of a change, as sentences to confirm

    def consequences_of_creating(self, form: Form) -> list[str]:
        return []

    def consequences_of_editing(self, form: Form, row: Row) -> list[str]:
        return []

    def consequences_of_deleting(self, row: Row) -> list[str]:
        """At least one sentence, because deleting always needs confirmation."""
        return [self.deleting]

    def consequences_of_restoring(self, row: Row) -> list[str]:
        return []

    def purged_by(self, row: Row) -> Sequence[str]:
        """The texts that confirm removing the row permanently when typed. The first one is shown."""
        return (self.title_of(row),)

    def consequences_of_purging(self, row: Row) -> list[str]:
        return []

    def consequences_of_undoing(self, row: Row, values: Mapping[str, Any]) -> list[str]:
        """By default the consequences of restoring, if undoing restores the row."""
        return self.consequences_of_restoring(row) if values.get("deleted_at", ...) is None else []

    def is_sensitive(self, form: Form, row: Row | None) -> bool:
        """Whether saving the form needs recent authentication."""
        return False


resources: Given[Mapping[str, Resource[Any]]] = Given("resources")  # by the name of their table
