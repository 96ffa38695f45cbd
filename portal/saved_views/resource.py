"""The description of saved views as a resource."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from flask import flash, request, url_for
from flask_login import current_user

from portal.core.listing import Filter, Listing
from portal.organizations.models import Organization
from portal.resources.changes import in_words
from portal.resources.columns import Column
from portal.resources.demo import Demo, DemoRows
from portal.resources.empty import Empty
from portal.resources.opening import arguments_of
from portal.resources.relation import sides_of
from portal.resources.resource import Resource, resources
from portal.resources.samples import Samples, SampleTenant
from portal.saved_views import queries
from portal.saved_views.bulk import SettingViews
from portal.saved_views.commands import saved_views as records
from portal.saved_views.demo import demo_rows
from portal.saved_views.forms import EditSavedViewForm, NewSavedViewForm
from portal.saved_views.models import LOCKED, OPEN, PRIVATE, SavedView
from portal.users.permissions import USERS_ANY_TENANT
from portal.web.activity_feed import feed
from portal.web.forms import Form
from portal.web.given import lists

SHARING = {PRIVATE: "Private", OPEN: "Shared. Everyone can change it", LOCKED: "Shared. Only its creator can change it"}


def chosen_by(list_name: str, query: str) -> str:
    """How a view chooses rows of its list, in words."""
    arguments, listed = arguments_of(query), resources().get(list_name)
    if listed is None:
        return feed().listing(arguments, url_for("activity.index")).in_words
    related = {side.other.noun: side.filter() for side in sides_of(listed)}
    return listed.listing(arguments, listed.url("index"), related).in_words


class SavedViews(Resource[SavedView]):
    """Named lists with their filters, sorting and columns."""

    records = records
    plural = "saved views"
    icon = "list-check"
    is_square = True
    about = "Lists that people saved with filters, sorting and columns."
    shown_with = (SavedView.organization,)
    columns = (
        Column("name", "Name", "title"),
        Column("organization_name", "Organization", "text", permission=USERS_ANY_TENANT),
        Column("sharing", "Sharing", "text", lambda row: SHARING[row.sharing]),
        Column("updated_at", "Changed", "time", tabs=("active",), is_minor=True),
        Column("created_at", "Created", "time", tabs=("active",), is_minor=True),
        Column("deleted_at", "Deleted", "time", tabs=("deleted",), is_labeled=True),
    )
    empty = {
        "active": Empty("No saved views yet", "Open a list, choose filters and columns, then save it as a view.", icon)
    }
    labels = {"name": "Name", "sharing": "Sharing", "query": "Filters and columns", "owner_id": "Private view of"}
    new_form = NewSavedViewForm
    edit_form = EditSavedViewForm
    setting = SettingViews
    guarded = frozenset()

    def lead(self) -> str:
        return "Lists saved with their filters, sorting and columns."

    def navigation(self) -> tuple[str, str] | None:
        """Only for people who have some."""
        return super().navigation() if current_user.views else None

    def listing(self, arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter]) -> Listing:
        return queries.listing(arguments, path, filters)

    def exported(self) -> Mapping[str, Any]:
        return {
            "Name": SavedView.name,
            "List": SavedView.list_name,
            "Query": SavedView.query,
            "Sharing": SavedView.sharing,
            "Organization": Organization.name,
            "Created": SavedView.created_at,
            "Deleted": SavedView.deleted_at,
            "ID": SavedView.id,
        }

    def subtitle_of(self, row: Any) -> str:
        return self.list_of(row)

    def list_of(self, row: Any) -> str:
        """The name of the list that the view shows."""
        return lists().get(row.list_name, row.list_name)

    def open_url(self, row: Any) -> str:
        """The URL of the list with the view; empty if there is no such list."""
        return url_for(f"{row.list_name}.index", view=str(row.id)) if row.list_name in lists() else ""

    def hint(self) -> str | None:
        name = request.values.get("list_name") or request.values.get("list", "")
        if name not in lists():
            return None
        chosen = chosen_by(name, request.values.get("query", ""))
        parts = [f"filters ({chosen})"] * bool(chosen) + ["sorting and columns"] * (name in resources())
        return f"Saves this list of {lists()[name].lower()}{' with its ' if parts else ''}{', '.join(parts)}."

    def context(self, row: SavedView) -> dict[str, Any]:
        return {
            "chosen": chosen_by(row.list_name, row.query) if row.list_name in lists() else "",
            "open_url": "" if row.is_deleted else self.open_url(row),
            "sharing": SHARING[row.sharing],
        }

    def in_words(self, name: str, value: Any) -> str | None:
        return SHARING.get(value, value) if name == "sharing" else in_words(value)

    def created(self, form: Form, row_id: uuid.UUID) -> str:
        flash("View saved. Open it from the navigation, or make it the default under Display options.", "success")
        return url_for(f"{form.list_name.data}.index", view=str(row_id))

    def samples(self, tenant: SampleTenant) -> Samples:
        given = {"organization_id": tenant.id, "list_name": "users"}
        for sharing, owner in ((OPEN, None), (PRIVATE, tenant.people.get("user"))):
            if sharing == OPEN or owner:
                name = tenant.texts.phrase("the name of a saved view")
                query = f"q={tenant.texts.phrase('the search of a saved view')}"
                yield SavedView, {
                    **given, "id": uuid.uuid4(), "sharing": sharing, "owner_id": owner, "name": name, "query": query,
                }  # fmt: skip

    def demo(self, demo: Demo) -> DemoRows:
        return demo_rows(demo)


resource = SavedViews()
