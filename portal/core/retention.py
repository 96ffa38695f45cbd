"""What is removed once it is old enough? Functions, which features give to the worker that calls them once a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.config import Settings


@dataclass(frozen=True)
class RetentionRule:
    """Rows that say nothing any more after a while. `remove` runs as the system and returns how many went."""

    name: str
    age: Callable[[Settings], timedelta]
    remove: Callable[[datetime], int]


def in_batches(remove_some: Callable[[], int]) -> int:
    """So many at once, each a transaction, until none is left; returns how many went."""
    removed = 0
    while some := remove_some():
        removed += some
    return removed
