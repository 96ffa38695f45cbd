"""Queries for teams. The session adds the conditions for tenant and deletion."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import func, select

from portal.core.actor import current_actor
from portal.core.counts import BOUND
from portal.core.cursors import plain
from portal.core.listing import Filter, Listing, Sort, Source
from portal.core.sources import named_tabs
from portal.core.tallies import tally_of
from portal.organizations.models import Organization
from portal.organizations.queries import SLUG, filter_by
from portal.organizations.sorting import by_organization
from portal.teams.models import Team

GONE = Organization.deleted_keys()
HOMES = by_organization(Team.organization_id, Team.sort_name.collate("C"), read=plain, down=False)
BY_ORGANIZATION = Sort(Team.organization_id, groups=HOMES)
TABS = named_tabs(Team, Team.organization_id.not_in(GONE))
TABS_OF_ALL = named_tabs(Team, Team.organization_id.not_in(GONE), organization_name=BY_ORGANIZATION)
ORGANIZATION = filter_by(Team.organization_id)
COLUMNS = (Team.id, Team.name, Team.description, Team.created_at, Team.deleted_at, Team.organization_id)
tally = partial(tally_of, hidden=GONE)


def listing(arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter], people: Any) -> Listing:
    """The list of teams for these URL arguments. `people` is the column that counts them."""
    name = func.coalesce(Organization.name, "").label("organization_name")
    rows = select(*COLUMNS, name, SLUG, people).outerjoin(Organization, Organization.id == Team.organization_id)
    known = {"organization": ORGANIZATION, **filters}
    tabs = TABS_OF_ALL if current_actor().is_unlimited else TABS
    return Listing(Source(Team, rows, tabs, known, tally=tally, tallied_to=BOUND), arguments, path)
