"""What a resource's demo rows are made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from portal.core.keys import uuid7

Rows = Iterable[Mapping[str, Any]]
DemoRows = Iterator[tuple[type[Any], Rows]]
YEARS = 2  # how far back the demo's rows go


@dataclass(frozen=True)
class Demo:
    """The demo of one resource: the same rows each time, whatever other resources there are."""

    random: Random  # of this resource alone
    today: datetime
    people: int  # how many the demo has
    with_sign_ins: bool  # whether the demo's accounts get their public password
    progress: Callable[[Rows], Rows] = iter  # shows the progress, of the longest part

    def record(self, at: datetime, *, deleted_at: datetime | None = None) -> dict[str, Any]:
        """The columns that every record has, of one that was created at this time."""
        key = uuid7(int(at.timestamp() * 1000), self.random)
        return {"id": key, "created_at": at, "updated_at": deleted_at or at, "deleted_at": deleted_at}

    def ago(self, days: float) -> datetime:
        return self.today - timedelta(days=days)
