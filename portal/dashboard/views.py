"""The dashboard: numbers, each linked to exactly the rows that it counts, what needs attention, and charts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.core.actor import current_actor
from portal.core.clock import local, now
from portal.core.listing import Count, Listing
from portal.core.policy import allows
from portal.dashboard.attention import Concern, failed_emails, watched
from portal.dashboard.permissions import DASHBOARD_READ
from portal.organizations import queries as organizations
from portal.organizations.permissions import ORGANIZATIONS_LIST
from portal.users import queries as users
from portal.users.growth import NEWEST, NewPeople, charts_of, growth, new_people_by_organization
from portal.web.activity_feed import latest_changes
from portal.web.charts import Ranking, is_by_day, ranking
from portal.web.guards import signed_in
from portal.web.jinja import can
from portal.web.rendering import redirect, render

bp = Blueprint("dashboard", __name__)


@dataclass(frozen=True)
class Figure:
    """A number, and the list that it links to."""

    label: str
    count: Count
    note: str
    url: str
    icon: str


@bp.get("/")
@signed_in(is_viewable=True)
def index() -> ResponseReturnValue:
    """Show the dashboard. USERs are redirected to their account."""
    actor = current_actor()
    if not allows(actor, DASHBOARD_READ):
        return redirect(url_for("account.index"))
    here = local(now())
    by_day = is_by_day(request.args)
    found = growth(None if actor.is_unlimited else actor.organization_id, by_day=by_day)
    figures, concerns = _counted()
    return render(
        "dashboard/index.html",
        greeting=_greeting(here, current_user.first_name),
        today=here.date(),
        figures=figures,
        concerns=concerns,
        charts=charts_of(found, by_day=by_day),
        by_organization=_by_organization(by_day=by_day) if allows(actor, ORGANIZATIONS_LIST) else None,
        by_day=by_day,
        latest=latest_changes() if can("activity:read") else [],
    )


def _by_organization(*, by_day: bool) -> Ranking:
    """The organizations with the most new people."""
    found = new_people_by_organization(by_day=by_day)
    rows = [(_name_of(one), _url_of(one), one.people) for one in found]
    counted = found[0].counted if found else 0
    most = f"Most: {rows[0][0]} ({rows[0][2]:,})." if rows else ""
    which = (
        f"Among the newest {counted:,} people" if counted == NEWEST else f"{counted:,} in total, without deleted people"
    )
    summary = f"{which}. {most}" if rows else "None in this period."
    return ranking("New people by organization", "New people", summary, rows)


def _name_of(one: NewPeople) -> str:
    return one.name or ("A deleted organization" if one.organization_id else "No organization")


def _url_of(one: NewPeople) -> str:
    return url_for("organizations.show", id=one.organization_id, period=request.args.get("period")) if one.name else ""


def _counted() -> tuple[list[Figure], list[Concern]]:
    """The figures, and those concerns that have rows. Their lists are counted in one statement."""
    shown, concerns = list(_figures()), list(watched())
    numbers = Listing.totals(*(listed for *_, listed in shown), *(listed for _, listed in concerns))
    figures = [
        Figure(label, count, note, listed.url, icon)
        for (label, note, icon, listed), count in zip(shown, numbers, strict=False)
    ]
    counted = [
        Concern(words, count, listed.url)
        for (words, listed), count in zip(concerns, numbers[len(shown) :], strict=True)
    ]
    return figures, [one for one in (*counted, *failed_emails()) if one.count.value]


def _figures() -> Iterator[tuple[str, str, str, Listing]]:
    yield "Active people", "can sign in", "users", _people()
    if allows(current_actor(), ORGANIZATIONS_LIST):
        yield "Organizations", "active", "building", organizations.listing({}, url_for("organizations.index"))
    else:
        yield "Administrators", "manage this organization", "shield", _people(role="ADMIN")
    yield "Invited", "not accepted yet", "mail", _people(status="invited")
    yield "Deactivated", "can’t sign in", "user-off", _people(status="deactivated")


def _people(**arguments: str) -> Listing:
    return users.listing(arguments, url_for("users.index"))


def _greeting(here: datetime, first_name: str) -> str:
    part = "morning" if 4 <= here.hour < 12 else "afternoon" if 12 <= here.hour < 18 else "evening"
    return f"Good {part}, {first_name}" if first_name else f"Good {part}"
