"""Read dates in cells, and find out whether a file writes the day or the month first, without guessing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from portal.core.clock import read_day

ORDERS = {"dmy": "Day first, such as 31/12/2030", "mdy": "Month first, such as 12/31/2030"}
UNCLEAR = "unclear"  # instead of an order: every date can be read both ways
NEVER = {"never", "no", "none", "-", "nie", "unbefristet", "unlimited", "0", str(2**63 - 1)}
TIME = r"(?:[T ].*)?"  # a time of day is ignored
YEAR_FIRST = re.compile(rf"([0-9]{{4}})[-/.]([0-9]{{1,2}})[-/.]([0-9]{{1,2}}){TIME}")
DOTTED = re.compile(rf"([0-9]{{1,2}})\. ?([0-9]{{1,2}})\. ?([0-9]{{4}}){TIME}")
EITHER = re.compile(rf"([0-9]{{1,2}})[/-]([0-9]{{1,2}})[/-]([0-9]{{4}}){TIME}")
SERIAL = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")  # days of Excel, from 18 May 1927
FILE_TIME = re.compile(r"[0-9]{18}")  # of Active Directory: tenths of microseconds since 1601
EPOCH, FILE_EPOCH = date(1899, 12, 30), datetime(1601, 1, 1, tzinfo=UTC)
BOUNDS = date(1970, 1, 1), date(2999, 12, 31)


def order_of(cells: Iterable[str]) -> str:
    """The order that one of the cells proves; UNCLEAR if both are possible, empty if it doesn't matter."""
    order = ""
    for cell in cells:
        if found := EITHER.fullmatch(cell):
            first, second = int(found[1]), int(found[2])
            if first > 12 >= second:
                return "dmy"
            if second > 12 >= first:
                return "mdy"
            if first != second:
                order = UNCLEAR
    return order


def day_in(cell: str, order: str, *, ends: bool = True) -> date | None:
    """The date in a cell; None for accounts that never expire. Raises ValueError with a sentence without its period.

    `ends`: a time of Active Directory is midnight after the last day, not before the first one.
    """
    if cell.strip().lower() in NEVER:
        return None
    found = EITHER.fullmatch(cell)
    if found and order not in ORDERS and found[1].lstrip("0") != found[2].lstrip("0"):
        raise ValueError(f"“{cell[:40]}” can be read in two ways. Choose the order of day and month above")
    day = _day(cell, is_month_first=order == "mdy", ends=ends)
    if day is None or not BOUNDS[0] <= day <= BOUNDS[1]:
        raise ValueError(f"“{cell[:40]}” is not a valid date. Use year-month-day, such as 2030-12-31")
    return day


def _day(cell: str, *, is_month_first: bool, ends: bool) -> date | None:
    if FILE_TIME.fullmatch(cell):
        return (FILE_EPOCH + timedelta(microseconds=int(cell) // 10 - ends)).date()
    if SERIAL.fullmatch(cell):
        return EPOCH + timedelta(days=int(float(cell)))
    if found := YEAR_FIRST.fullmatch(cell):
        year, month, day = found.groups()
    elif found := DOTTED.fullmatch(cell):
        day, month, year = found.groups()
    elif found := EITHER.fullmatch(cell):
        day, month, year = found.groups()
        day, month = (month, day) if is_month_first else (day, month)
    else:
        return None
    return read_day(f"{year}-{month:0>2}-{day:0>2}")
