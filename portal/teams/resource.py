"""The description of teams as a resource."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from portal.core.counts import Count
from portal.core.listing import Filter, Listing
from portal.organizations.models import Organization
from portal.organizations.slugs import linked as linked_organization
from portal.resources.columns import Column
from portal.resources.empty import Empty
from portal.resources.relation import Relation
from portal.resources.resource import Resource
from portal.resources.samples import Samples, SampleTenant
from portal.teams import queries
from portal.teams.bulk import SettingTeams
from portal.teams.commands import teams as records
from portal.teams.demo import demo_rows
from portal.teams.forms import EditTeamForm, NewTeamForm
from portal.teams.models import Team, TeamMember
from portal.teams.permissions import TEAMS
from portal.users.permissions import USERS_ANY_TENANT
from portal.users.resource import resource as people
from portal.web.urls import path_of


def _people(row: Any) -> tuple[Count, str]:
    """How many people are in it, and the list of them."""
    return Count(row.people), "" if row.deleted_at else f"{path_of('users.index')}?team={row.id}"


class Teams(Resource[Team]):
    """Groups of people inside an organization."""

    records = records
    plural = "teams"
    icon = "users-group"
    searched = "Name or description"
    is_square = True
    setting = SettingTeams
    shown_with = (Team.organization,)
    columns = (
        Column("name", "Name", "title", exported=("Name", "Description")),
        Column("organization_name", "Organization", "text", linked_organization, permission=USERS_ANY_TENANT),
        Column("people", "People", "number", _people, is_labeled=True),
        Column("created_at", "Created", "time", tabs=("active",), is_minor=True),
        Column("deleted_at", "Deleted", "time", tabs=("deleted",), is_labeled=True),
        Column("updated_at", "Changed", "time", is_optional=True, read=lambda: Team.updated_at),
    )
    empty = {"active": Empty("No teams yet", "Teams group people. A person can be in several.", icon, offers_new=True)}
    labels = {"name": "Name", "description": "Description"}
    imported = {
        "name": ("name", "team", "teamname", "group", "groupname", "displayname", "gruppe", "abteilung"),
        "description": ("description", "beschreibung", "notes"),
        "organization_id": ("organizationslug", "organisationslug", "tenant", "mandant"),
    }
    new_form = NewTeamForm
    edit_form = EditTeamForm
    demo = staticmethod(demo_rows)

    def listing(self, arguments: Mapping[str, str], path: str, filters: Mapping[str, Filter]) -> Listing:
        return queries.listing(arguments, path, filters)

    def exported(self) -> Mapping[str, Any]:
        return {
            "Name": Team.name,
            "Description": Team.description,
            "Organization": Organization.name,
            "Organization slug": Organization.slug,
            "Created": Team.created_at,
            "Deleted": Team.deleted_at,
            "ID": Team.id,
        }

    def subtitle_of(self, row: Any) -> str:
        return row.description or ""

    def samples(self, tenant: SampleTenant) -> Samples:
        team = {"id": uuid.uuid4(), "organization_id": tenant.id, "name": tenant.texts.phrase("the name of a team")}
        yield Team, {**team, "description": tenant.texts.phrase("the description of a team")}
        for person in (key for kind, key in tenant.people.items() if kind != "deleted"):
            yield TeamMember, {"team_id": team["id"], "user_id": person, "organization_id": tenant.id}


resource = Teams()
members = Relation(TeamMember, resource, people, TEAMS.write, noun="member", about="The people in each team.")
