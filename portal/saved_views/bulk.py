"""Change many saved views at once."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, not_, or_

from portal.core.actor import current_actor
from portal.core.bulk import Refusal
from portal.organizations.bulk import SettingInside
from portal.saved_views.models import OPEN, SavedView

NOBODY = uuid.UUID(int=0)


class SettingViews(SettingInside):
    """Delete or restore saved views. Their other changes have rules for single views."""

    taken = "Another saved view has the name"
    one_by_one = frozenset({"name", "query", "sharing", "owner_id"})

    def unique_of(self, row: Any) -> Sequence[Any]:
        home, owner = (func.coalesce(one, NOBODY) for one in (row.organization_id, row.owner_id))
        return home, owner, row.list_name, func.lower(row.name)

    def refusals(self, ids: Sequence[uuid.UUID]) -> Sequence[Refusal]:
        """The same rule as SavedView.may_be_changed_by."""
        actor = current_actor()
        is_own = or_(SavedView.owner_id == actor.id, SavedView.created_by == actor.id)
        may = or_(is_own.is_(True), SavedView.sharing == OPEN, not_(SavedView.has_creator))
        locked = [] if actor.is_unlimited else [Refusal("Only the person who created it can change it", not_(may))]
        return [*locked, *super().refusals(ids)]
