"""Queries for teams. The session adds the conditions for tenant and deletion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from portal.core.listing import Filter, Listing, Source
from portal.core.sources import named_tabs
from portal.organizations.models import Organization
from portal.organizations.queries import SLUG, filter_by
from portal.teams.models import Team

TABS = named_tabs(Team, Team.organization_id.not_in(Organization.deleted_keys()))
ORGANIZATION = filter_by(Team.organization_id)
COLUMNS = (Team.id, Team.name, Team.description, Team.created_at, Team.deleted_at, Team.organization_id)


def listing(arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter], people: Any) -> Listing:
    """The list of teams for these URL arguments. `people` is the column that counts them."""
    name = func.coalesce(Organization.name, "").label("organization_name")
    rows = select(*COLUMNS, name, SLUG, people).outerjoin(Organization, Organization.id == Team.organization_id)
    return Listing(Source(Team, rows, TABS, {"organization": ORGANIZATION, **filters}), arguments, path)
