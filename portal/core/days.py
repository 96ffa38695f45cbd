"""Days that people enter, as conditions in their time zone and in words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnExpressionArgument, and_

from portal.core.clock import zone

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
Condition = Callable[[str], ColumnExpressionArgument[bool] | None]


def since(*columns: Any) -> Condition:
    """At or after the beginning of a day."""

    def condition(value: str) -> ColumnExpressionArgument[bool] | None:
        day = day_of(value)
        return None if day is None else and_(*(column >= day for column in columns))

    return condition


def until(*columns: Any) -> Condition:
    """Before the end of a day. For changes, also created before it, which saves reading newer people."""

    def condition(value: str) -> ColumnExpressionArgument[bool] | None:
        day = last_day_of(value)
        return None if day is None else and_(*(column < day for column in columns))

    return condition


def day_of(value: str) -> datetime | None:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=zone())


def last_day_of(value: str) -> datetime | None:
    """The end of the day."""
    try:
        return day_of((date.fromisoformat(value) + timedelta(days=1)).isoformat())
    except (ValueError, OverflowError):
        return None


def dated(then: date) -> str:
    """`4 Mar 2025`."""
    return f"{then.day} {MONTHS[then.month - 1]} {then.year}"


def on_day(words: str) -> Callable[[str, Any], str]:
    """Describes a filter by a day, such as `Created since 4 Mar 2025`."""
    return lambda value, _: f"{words} {dated(date.fromisoformat(value))}"
