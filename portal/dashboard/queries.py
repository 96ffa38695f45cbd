"""The numbers of the dashboard, bounded so that the page stays fast at any size."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, select, union_all

from portal.core.listing import Count, Rows
from portal.users.models import User
from portal.users.queries import can_sign_in

DAY_BOUND = 2_000


def new_people_a_day(first: datetime, days: int) -> Rows:
    """For each day, its number and the active people created, up to DAY_BOUND. Days are in the zone of `first`."""
    counts = [
        select(literal(number).label("number"), _created(first + timedelta(days=number)).label("people"))
        for number in range(days)
    ]
    every = union_all(*counts).subquery()
    return select(every.c.number, every.c.people).order_by(every.c.number)


def _created(begin: datetime) -> Any:
    inside = can_sign_in(), User.created_at >= begin, User.created_at < begin + timedelta(days=1)
    rows = select(literal(1)).select_from(User).where(*inside).limit(DAY_BOUND + 1).subquery()
    return select(func.count()).select_from(rows).scalar_subquery()


def sum_of(counts: list[int]) -> Count:
    """The sum of all days; `more` if the count of a day stopped at DAY_BOUND."""
    total = sum(min(count, DAY_BOUND) for count in counts)
    return Count(total, "more" if any(count > DAY_BOUND for count in counts) else "exact")
