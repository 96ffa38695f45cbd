"""Reports: lists of people and organizations for access reviews, with downloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from portal.core.actor import Role, current_actor
from portal.core.listing import Count, Listing
from portal.core.policy import allows, grantable_roles
from portal.dashboard.permissions import DASHBOARD_READ
from portal.organizations.numbers import BY_ROLE
from portal.organizations.permissions import ORGANIZATIONS_LIST
from portal.organizations.resource import resource as organizations
from portal.resources.arranging import ARGUMENT
from portal.users import queries as users
from portal.users.filters import IDLE_DAYS
from portal.users.resource import resource as people
from portal.web.guards import requires
from portal.web.rendering import render

bp = Blueprint("reports", __name__, url_prefix="/reports")
ACCESS = ("email", "first_name", "last_name", "role", "organization", "status", "two_factor", "last_sign_in", "created")
PLURALS = {Role.USER: "Users", Role.ADMIN: "Administrators", Role.SUPER_ADMIN: "Super administrators"}
NUMBERS: Mapping[str, Mapping[str, str]] = {
    "All organizations, the largest first": {"sort": "-people"},
    "Without an active administrator": {"administrators": "none"},
}


@dataclass(frozen=True)
class Row:
    """A list with its number of rows, if that is known without reading them, and its downloads."""

    label: str
    url: str
    downloads: Sequence[tuple[str, str]]
    count: Count | None = None


@bp.get("/")
@requires(DASHBOARD_READ)
def index() -> ResponseReturnValue:
    """The reports."""
    roles, numbers = list(_roles()), list(_numbers())
    counts = Listing.totals(*(listed for _, listed in (*roles, *numbers)))
    return render(
        "dashboard/reports.html",
        roles=[Row(label, one.url, _downloads(one), count) for (label, one), count in zip(roles, counts, strict=False)],
        numbers=[
            Row(label, one.url, organizations.exports(one), count)
            for (label, one), count in zip(numbers, counts[len(roles) :], strict=True)
        ],
        seldom=list(_seldom()),
    )


def _roles() -> Iterator[tuple[str, Listing]]:
    for role in sorted(grantable_roles(current_actor()), key=list(Role).index, reverse=True):
        yield PLURALS[role], _people(role=role.name)


def _numbers() -> Iterator[tuple[str, Listing]]:
    """How many people have each role in each organization. ADMINs have one, whose numbers are those by role."""
    if allows(current_actor(), ORGANIZATIONS_LIST):
        for label, arguments in NUMBERS.items():
            listed = organizations.listing(arguments, organizations.url("index"), {})
            listed.carried = {ARGUMENT: ",".join(BY_ROLE)}
            yield label, listed


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
