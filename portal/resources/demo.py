"""The context for creating a resource's demo rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from portal.core.keys import uuid7

Rows = Iterable[Mapping[str, Any]]
DemoRows = Iterator[tuple[type[Any], Rows]]
AT_ONCE = 100_000  # rows per COPY: its triggers keep them all in memory
YEARS = 2  # the maximum age of the demo's rows


@dataclass(frozen=True)
class Demo:
    """The demo of one resource. It has the same rows each time, regardless of other resources."""

    random: Random  # of this resource only
    today: datetime
    people: int  # their number in the demo
    with_sign_ins: bool  # whether the demo's accounts get their public password
    progress: Callable[[Rows], Rows] = iter  # shows the progress of the longest part

    def record(self, at: datetime, *, deleted_at: datetime | None = None) -> dict[str, Any]:
        """The values of the columns of every record, for one that was created at this time."""
        key = uuid7(int(at.timestamp() * 1000), self.random)
        return {"id": key, "created_at": at, "updated_at": deleted_at or at, "deleted_at": deleted_at}

    def ago(self, days: float) -> datetime:
        return self.today - timedelta(days=days)
