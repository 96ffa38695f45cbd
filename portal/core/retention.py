"""Rules for removing old rows. Features declare them, and the worker applies them once a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.config import Settings


@dataclass(frozen=True)
class RetentionRule:
    """Rows to remove once they are older than `age`, never if that is None.

    `remove` runs as the system and returns how many it removed.
    """

    name: str
    age: Callable[[Settings], timedelta | None]
    remove: Callable[[datetime], int]


def in_batches(remove_some: Callable[[], int]) -> int:
    """Call `remove_some`, each time in its own transaction, until it removes nothing. Returns the total."""
    removed = 0
    while some := remove_some():
        removed += some
    return removed
