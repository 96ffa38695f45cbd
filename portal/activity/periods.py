"""Periods of the activity that move with today, also in saved views."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import ColumnExpressionArgument, and_

from portal.core.clock import local, now
from portal.core.days import since, until
from portal.core.listing import Filter, Link, Listing
from portal.core.operations import Operation

PERIODS = {"today": "Today", "yesterday": "Yesterday", "week": "This week", "month": "This month"}
NO_DAYS = dict.fromkeys(("from", "to"))


def links(listing: Listing) -> list[Link]:
    """Links to the same list for each period."""
    chosen = listing.filters.get("period", "") if NO_DAYS.keys().isdisjoint(listing.filters) else None
    choices = {"": "Any time", **PERIODS}
    return [
        Link(label, listing.url_with(period=name or None, **NO_DAYS), name == chosen) for name, label in choices.items()
    ]


def _first_day(name: str) -> date:
    """The first day of a period, in the reader's time zone. A week begins on Monday."""
    today = local(now()).date()
    back = {"yesterday": 1, "week": today.weekday(), "month": today.day - 1}
    return today - timedelta(days=back.get(name, 0))


def _condition(name: str) -> ColumnExpressionArgument[bool] | None:
    if name not in PERIODS:
        return None
    first = _first_day(name).isoformat()
    begins, ends = (one(Operation.at)(first) for one in (since, until))
    return and_(begins, ends) if name == "yesterday" else begins  # type: ignore[arg-type]


FILTER = Filter(_condition, lambda name, _: PERIODS[name])
