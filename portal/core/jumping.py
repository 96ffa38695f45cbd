"""Begin a sorted list in the middle: at a name, or what it begins with, or at a day."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from sqlalchemy import func, select

from portal.core.cursors import moment
from portal.core.days import day_of, last_day_of
from portal.core.db import db
from portal.core.sources import Sort
from portal.core.terms import words_of

NO_PLACE = "This order can’t begin at a name or a day, so it has no effect. Sort by a name or a date."
NO_DAY = "This is not a valid date, so it has no effect. Enter a date such as 2026-03-31."
NO_NAME = "Enter the beginning of a name, because this has no effect."
FIRST, LAST = uuid.UUID(int=0), "\U0010ffff"  # sort before every key, and after every name that begins the same


def jump_of(sort: Sort) -> Literal["name", "day"] | None:
    """What a list in this order can begin at."""
    if sort.groups:
        return None
    return "day" if sort.read is moment else "name" if sort.read is str else None


def place_at(text: str, sort: Sort, *, down: bool) -> tuple[Any, uuid.UUID] | str:
    """The position before the first row at this name or day, as a cursor. A sentence if there is none."""
    kind = jump_of(sort)
    if kind is None:
        return NO_PLACE
    if kind == "day":
        day = last_day_of(text) if down else day_of(text)
        return NO_DAY if day is None else (day, FIRST)
    words = " ".join(words_of(text))
    key = db.session.scalar(select(func.split_part(func.portal_sort_key(words), "\x01", 1))) if words else ""
    return NO_NAME if not key else (f"{key}{LAST}" if down else key, FIRST)
