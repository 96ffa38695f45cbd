"""The columns of lists of people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.organizations.slugs import linked
from portal.resources.columns import Column
from portal.users.models import User
from portal.users.permissions import USERS_ANY_TENANT
from portal.users.states import listed_state
from portal.web.jinja import badge, day
from portal.web.zones import label_of

ACCEPTED_TABS = ("active", "deactivated", "organization-deleted")  # nobody has signed in before accepting an invitation
STARTING_TABS = ("deactivated", "organization-deleted", "deleted")  # people are deactivated until their first day
LIVE_TABS = ("active", "invited", "deactivated", "organization-deleted")
OPTIONAL: Mapping[str, Any] = {"is_optional": True, "is_labeled": True}


def _verified(row: Any) -> str:
    return "Yes" if row.email_verified else "No"


def _first_day(row: Any) -> str:
    return day(row.activates_on) if row.activates_on else ""


def _last_day(row: Any) -> str:
    return day(row.expires_on) if row.expires_on else ""


def _zone(row: Any) -> str:
    return label_of(row.time_zone) if row.time_zone else ""


COLUMNS = (
    Column("name", "Name", "title", exported=("Email", "First name", "Last name")),
    Column("organization_name", "Organization", "text", linked, permission=USERS_ANY_TENANT),
    Column("role", "Role", "text", lambda row: badge(row.role)),
    Column("status", "Status", "dot", listed_state, tabs=LIVE_TABS),
    Column("last_sign_in_at", "Last sign-in", "time", tabs=ACCEPTED_TABS, never="Never"),
    Column("created_at", "Created", "time", tabs=LIVE_TABS, is_minor=True),
    Column("deleted_at", "Deleted", "time", tabs=("deleted",), is_labeled=True),
    Column("two_factor", "Two-factor", "text", lambda row: "On" if row.has_two_factor else "Off", **OPTIONAL),
    Column("email_verified", "Email verified", "text", _verified, **OPTIONAL),
    Column("activates_on", "First day of access", "text", _first_day, tabs=STARTING_TABS, **OPTIONAL),
    Column("expires_on", "Last day of access", "text", _last_day, **OPTIONAL),
    Column("time_zone", "Time zone", "text", _zone, **OPTIONAL, read=lambda: User.time_zone),
    Column("invited_at", "Invited", "time", is_optional=True),
    Column("updated_at", "Changed", "time", is_optional=True, read=lambda: User.updated_at),
)
