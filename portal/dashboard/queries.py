"""The numbers of the dashboard, bounded so that the page stays fast at any size."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, TIMESTAMP, cast, func, literal, select

from portal.core.listing import Count, Rows
from portal.users.models import User
from portal.users.queries import can_sign_in

DAY_BOUND = 300  # of a month: at most 9,000 rows are read


def new_people_a_day(first: datetime, days: int) -> Rows:
    """How many active people were created each day, up to one above DAY_BOUND. Days are in the zone of `first`."""
    begins = [first + timedelta(days=number) for number in range(days + 1)]
    day = func.unnest(_moments(begins[:-1]), _moments(begins[1:])).table_valued(
        "begin", "end", with_ordinality="number", name="day"
    )
    day = day.render_derived()
    inside = can_sign_in(), User.created_at >= day.c.begin, User.created_at < day.c.end
    rows = select(literal(1)).select_from(User).where(*inside).limit(DAY_BOUND + 1).correlate(day).subquery()
    people = select(func.count()).select_from(rows).scalar_subquery()
    return select(people.label("people")).select_from(day).order_by(day.c.number)


def _moments(values: list[datetime]) -> Any:
    return cast(values, ARRAY(TIMESTAMP(timezone=True)))


def sum_of(counts: list[int]) -> Count:
    """The sum of all days; `more` if the count of a day stopped at DAY_BOUND."""
    total = sum(min(count, DAY_BOUND) for count in counts)
    return Count(total, "more" if any(count > DAY_BOUND for count in counts) else "exact")
