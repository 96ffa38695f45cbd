"""Reports: lists of people for access reviews, with downloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.core.actor import Role, current_actor
from portal.core.listing import Count, Listing
from portal.core.policy import grantable_roles
from portal.dashboard.permissions import DASHBOARD_READ
from portal.users import queries as users
from portal.users.filters import IDLE_DAYS
from portal.users.resource import resource as people
from portal.web.guards import requires
from portal.web.rendering import render

bp = Blueprint("reports", __name__, url_prefix="/reports")
ACCESS = ("email", "first_name", "last_name", "role", "organization", "status", "two_factor", "last_sign_in", "created")
PLURALS = {Role.USER: "Users", Role.ADMIN: "Administrators", Role.SUPER_ADMIN: "Super administrators"}


@dataclass(frozen=True)
class Row:
    """A list of people with its number, if that is known without reading them, and its downloads."""

    label: str
    url: str
    downloads: Sequence[tuple[str, str]]
    count: Count | None = None


@bp.get("/")
@requires(DASHBOARD_READ)
def index() -> ResponseReturnValue:
    """The reports."""
    return render("dashboard/reports.html", roles=_roles(), seldom=list(_seldom()))


def _roles() -> list[Row]:
    roles = sorted(grantable_roles(current_actor()), key=list(Role).index, reverse=True)
    lists = [_people(role=role.name) for role in roles]
    return [
        Row(PLURALS[role], listed.url, _downloads(listed), count)
        for role, listed, count in zip(roles, lists, Listing.totals(*lists), strict=True)
    ]


def _seldom() -> Iterator[Row]:
    """Longest without a sign-in first."""
    never = _people(last_sign_in="never")
    yield Row("Never signed in", never.url, _downloads(never))
    for days in IDLE_DAYS:
        listed = _people(idle=days, sort="last_sign_in_at")
        yield Row(f"Not in the last {days} days, or never", listed.url, _downloads(listed))


def _people(**arguments: str) -> Listing:
    return users.listing(arguments, url_for("users.index"))


def _downloads(listed: Listing) -> list[tuple[str, str]]:
    columns = urlencode([("column", name) for name in ACCESS])
    return [(label, f"{url}&{columns}") for label, url in people.exports(listed)]
