"""Create, change, delete and restore teams."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from portal.core.records import Records
from portal.organizations.commands import lock_active, organization_for
from portal.teams.models import Team
from portal.teams.permissions import TEAMS


class Teams(Records[Team]):
    """A team keeps its organization, and its members while it is deleted."""

    model = Team
    noun = "team"
    permissions = TEAMS
    unique = ("name",)

    def insert(self, values: Mapping[str, Any], row_id: uuid.UUID, **options: Any) -> None:
        super().insert({**values, "organization_id": organization_for(values)}, row_id, **options)

    def bring_back(self, row: Team) -> None:
        lock_active(row.organization_id)
        super().bring_back(row)


teams = Teams()
