"""Queries for teams. The session adds the conditions for tenant and deletion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from sqlalchemy import ColumnElement, case, func, select, true

from portal.core.actor import current_actor
from portal.core.counts import BOUND
from portal.core.cursors import number, plain
from portal.core.grouping import Group, Owner
from portal.core.listing import Filter, Listing, Sort, Source, Tab
from portal.core.sources import named_tabs
from portal.core.tallies import tally_of
from portal.organizations.models import Organization
from portal.organizations.queries import SLUG, filter_by
from portal.organizations.sorting import by_organization
from portal.teams.models import Team, TeamSize

GONE = Organization.deleted_keys()
HOMES = by_organization(Team.organization_id, Team.sort_name.collate("C"), read=plain, down=False)
BY_ORGANIZATION = Sort(Team.organization_id, groups=HOMES)
ORGANIZATION = filter_by(Team.organization_id)
COLUMNS = (Team.id, Team.name, Team.description, Team.created_at, Team.deleted_at, Team.organization_id)
tally = partial(tally_of, hidden=GONE)


def listing(arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter]) -> Listing:
    """The list of teams for these URL arguments."""
    known = {"organization": ORGANIZATION, **filters}
    is_unlimited = current_actor().is_unlimited
    return Listing(
        Source(Team, _rows(is_unlimited), _tabs(is_unlimited), known, tally=tally, tallied_to=BOUND), arguments, path
    )


@cache
def _rows(is_unlimited: bool) -> Any:
    """With the number of people who can sign in: nobody in a deleted organization."""
    name = func.coalesce(Organization.name, "").label("organization_name")
    size = select(_people(is_unlimited)).where(TeamSize.team_id == Team.id).scalar_subquery()
    people = case((Organization.deleted_at.is_not(None), 0), else_=size).label("people")
    return select(*COLUMNS, name, SLUG, people).outerjoin(Organization, Organization.id == Team.organization_id)


@cache
def _tabs(is_unlimited: bool) -> dict[str, Tab]:
    """SUPER_ADMINs can also sort by organization. By number of people, deleted organizations come first."""
    in_any, lost = TeamSize.organization_id.not_in(GONE), Team.organization_id.in_(GONE)
    homes = {"organization_name": BY_ORGANIZATION} if is_unlimited else {}
    size = Sort(TeamSize.team_id, groups=(_by_size(is_unlimited, in_any if is_unlimited else true()),))
    tabs = named_tabs(Team, Team.organization_id.not_in(GONE), **homes, people=size)
    if not is_unlimited:
        return tabs
    first = Group(lost, Team.created_at)
    deleted = {**tabs["deleted"].sorts, "people": Sort(TeamSize.team_id, groups=(first, *size.groups))}
    return {**tabs, "deleted": replace(tabs["deleted"], sorts=deleted)}


def _by_size(is_unlimited: bool, condition: ColumnElement[bool]) -> Group:
    size = Owner(TeamSize, TeamSize.team_id, _people(is_unlimited), Team.id, condition, number)
    return Group(true(), Team.created_at, owner=size)


def _people(is_unlimited: bool) -> Any:
    """The number of those whom the actor can see."""
    return TeamSize.people if is_unlimited else TeamSize.seen
