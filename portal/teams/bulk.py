"""Change many teams at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func

from portal.organizations.bulk import SettingInside


class SettingTeams(SettingInside):
    """Delete or restore teams, with their members."""

    taken = "Another team has the name"
    one_by_one = frozenset({"name"})

    def unique_of(self, row: Any) -> Sequence[Any]:
        return row.organization_id, func.lower(row.name)
