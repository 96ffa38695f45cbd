"""Create, change, delete and restore saved views."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.core.actor import current_actor
from portal.core.db import db
from portal.core.errors import Conflict, NotAllowed
from portal.core.records import Records
from portal.organizations.commands import lock_active
from portal.saved_views.models import PRIVATE, SavedView
from portal.saved_views.permissions import SAVED_VIEWS

TAKEN = "A view with this name already exists. Choose another name."


class SavedViews(Records[SavedView]):
    """A view of a SUPER_ADMIN belongs to no organization. Making a view private gives it to its creator."""

    model = SavedView
    noun = "saved view"
    permissions = SAVED_VIEWS
    unique = ("name",)

    def insert(self, values: Mapping[str, Any], row_id: uuid.UUID, **options: Any) -> None:
        actor = current_actor()
        home = None if actor.is_unlimited else lock_active(actor.organization_id)
        owner = actor.id if values["sharing"] == PRIVATE else None
        super().insert({**values, "organization_id": home, "owner_id": owner}, row_id, **options)

    def edited(self, row: SavedView, changes: dict[str, Any]) -> dict[str, Any]:
        if "sharing" not in changes:
            return changes
        if changes["sharing"] == PRIVATE and current_actor().id != row.created_by:
            raise Conflict("sharing", "Only the person who created a shared view can make it private.")
        return {**changes, "owner_id": row.created_by if changes["sharing"] == PRIVATE else None}

    def change(self, row: SavedView, changes: Mapping[str, Any]) -> None:
        """Sharing a private view is a change of its own, so that its former name and filters stay private."""
        _check(row)
        shared = {"sharing", "owner_id"} & changes.keys() if row.sharing == PRIVATE else set()
        if shared and (private := {name: value for name, value in changes.items() if name not in shared}):
            super().change(row, private)
            db.session.flush()
        super().change(row, {name: changes[name] for name in changes if not shared or name in shared})

    def remove(self, row: SavedView, at: datetime) -> None:
        _check(row)
        super().remove(row, at)

    def bring_back(self, row: SavedView) -> None:
        _check(row)
        lock_active(row.organization_id)
        super().bring_back(row)

    def explained(self, conflict: Conflict, values: Mapping[str, Any]) -> Conflict:
        is_name = conflict.constraint == "saved_views_name_key"
        return Conflict("name", TAKEN, constraint=conflict.constraint) if is_name else conflict


def _check(row: SavedView) -> None:
    if not row.may_be_changed_by(current_actor()):
        raise NotAllowed


saved_views = SavedViews()
