"""The dashboard: a few numbers, each linked to exactly the rows that it counts, and a chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.core.actor import current_actor
from portal.core.clock import local, now
from portal.core.db import db
from portal.core.listing import Count, Listing
from portal.core.policy import allows
from portal.dashboard.chart import chart_of
from portal.dashboard.permissions import DASHBOARD_READ
from portal.dashboard.queries import DAY_BOUND, new_people_a_day, sum_of
from portal.organizations import queries as organizations
from portal.organizations.permissions import ORGANIZATIONS_LIST
from portal.users import queries as users
from portal.web.activity_feed import latest_changes
from portal.web.guards import signed_in
from portal.web.jinja import can
from portal.web.rendering import redirect, render

bp = Blueprint("dashboard", __name__)
DAYS = 30


@dataclass(frozen=True)
class Figure:
    """A number, and the list that it links to."""

    label: str
    count: Count
    note: str
    url: str
    icon: str


@bp.get("/")
@signed_in()
def index() -> ResponseReturnValue:
    """Show the dashboard. USERs are redirected to their account."""
    if not allows(current_actor(), DASHBOARD_READ):
        return redirect(url_for("account.index"))
    here = local(now())
    today = here.replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=DAYS - 1)
    daily = [row.people for row in db.session.execute(new_people_a_day(first, DAYS))]
    total = sum_of(daily)
    return render(
        "dashboard/index.html",
        greeting=_greeting(here, current_user.first_name),
        today=today.date(),
        figures=[*_figures(), _new(first, total)],
        chart=chart_of(daily, first.date(), total, DAY_BOUND),
        latest=latest_changes() if can("activity:read") else [],
    )


def _figures() -> list[Figure]:
    shown = [("Active people", "can sign in", "users", _people())]
    if allows(current_actor(), ORGANIZATIONS_LIST):
        listed = organizations.listing({}, url_for("organizations.index"))
        shown.append(("Organizations", "active", "building", listed))
    else:
        shown.append(("Administrators", "manage this organization", "shield", _people(role="ADMIN")))
    shown.append(("Invited", "not accepted yet", "mail", _people(status="invited")))
    shown.append(("Deactivated", "can’t sign in", "user-off", _people(status="deactivated")))
    counted = Listing.totals(*(listed for *_, listed in shown))
    return [
        Figure(label, count, note, listed.url, icon)
        for (label, note, icon, listed), count in zip(shown, counted, strict=True)
    ]


def _new(first: datetime, total: Count) -> Figure:
    """Where the chart stops counting, SUPER_ADMINs see the planner's estimate."""
    listed = _people(created_from=first.date().isoformat())
    if total.kind == "more" and listed.about:
        total = Count(max(listed.about, total.value), "about")
    return Figure("New people", total, f"in {DAYS} days", listed.url, "user-plus")


def _people(**arguments: str) -> Listing:
    return users.listing(arguments, url_for("users.index"))


def _greeting(here: datetime, first_name: str) -> str:
    part = "morning" if 4 <= here.hour < 12 else "afternoon" if 12 <= here.hour < 18 else "evening"
    return f"Good {part}, {first_name}" if first_name else f"Good {part}"
