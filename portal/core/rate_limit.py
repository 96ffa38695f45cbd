"""Limit how often something may be attempted, with counters in PostgreSQL that all processes share.

A counter is a single moment. Each attempt moves it forward by `Bound.every`, and an attempt that would move it too far
ahead of now is refused (the generic cell rate algorithm). A counter whose moment has passed has no effect, and is
removed by later attempts. The clock is the database's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Index,
    LargeBinary,
    Select,
    any_,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import command, db, read
from portal.core.errors import RateLimited
from portal.core.models import Base
from portal.core.retention import in_batches
from portal.core.scoping import kept

REMOVED_AT_ONCE, PRUNED_AT_ONCE = 100, 10_000
NO_SYNC = {"synchronize_session": False}


class RateLimit(Base):
    """A counter. The key is a keyed digest: neither addresses nor names are stored."""

    __tablename__ = "rate_limits"
    __table_args__ = (Index("rate_limits_free_at_idx", "free_at"),)

    key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    free_at: Mapped[datetime]


@dataclass(frozen=True)
class Bound:
    """At most `most` attempts in any `seconds`: half of them at once, the rest evenly spread."""

    most: int
    seconds: float

    @property
    def every(self) -> timedelta:
        """The time after which one more attempt is allowed."""
        return timedelta(seconds=self.seconds) / (self.most - self.most // 2)

    @property
    def full(self) -> timedelta:
        """How far a full counter, which allows no attempt, is ahead of now."""
        return self.every * max(self.most // 2, 1)


@dataclass(frozen=True)
class Counter:
    """A counter of attempts. Success clears it, but takes only one attempt back if it is shared."""

    key: bytes
    bound: Bound
    is_shared: bool = False


@command
def attempt(*counters: Counter) -> None:
    """Count one attempt in each counter. Raises RateLimited, and counts nothing, if one of them is full."""
    for counter in counters:
        if db.session.scalar(_counted(counter)) is None:
            raise RateLimited(wait(counter))
    _remove_old()


@command
def attempt_each(counters: Sequence[Counter]) -> set[bytes]:
    """Count one attempt in each of many counters with the same bound. Returns the keys of those that are full."""
    keys = {one.key for one in counters}
    if not keys:
        return keys
    key = func.unnest(cast(sorted(keys), ARRAY(LargeBinary))).column_valued("key")
    rows = select(key, _now() + counters[0].bound.every)
    made = insert(RateLimit).from_select(["key", "free_at"], rows)
    return keys - set(db.session.scalars(_counting(made, counters[0].bound)))


def _counted(counter: Counter) -> Any:
    """Count in one statement, so that no concurrent attempt is lost. It returns nothing if the counter is full.

    A moment that is too far ahead means that the clock was set back. The counter is then treated as full from now on,
    because otherwise nobody could sign in until the clock caught up.
    """
    made = insert(RateLimit).values(key=counter.key, free_at=_now() + counter.bound.every)
    return _counting(made, counter.bound)


def _counting(made: Insert, bound: Bound) -> Any:
    every, full = bound.every, bound.full
    counted = func.least(func.greatest(RateLimit.free_at, _now()) + every, _now() + full)
    is_open = or_(RateLimit.free_at <= _now() + (full - every), RateLimit.free_at > _now() + (full + every))
    updated = made.on_conflict_do_update(index_elements=[RateLimit.key], set_={"free_at": counted}, where=is_open)
    return updated.returning(RateLimit.key)


def _remove_old() -> None:
    """Prune a few counters. Called after counting, when it can no longer cause a deadlock."""
    _prune(_now(), REMOVED_AT_ONCE)


def prune(before: datetime) -> int:
    """Remove counters whose moment is earlier than `before`."""
    return in_batches(lambda: command(_prune)(func.least(before, _now()), PRUNED_AT_ONCE))


def _prune(before: ColumnElement[datetime], most: int) -> int:
    old = select(RateLimit.key).where(RateLimit.free_at < before).order_by(RateLimit.free_at).limit(most)
    ended = delete(RateLimit).where(RateLimit.key.in_(old.with_for_update(skip_locked=True))).returning(RateLimit.key)
    return len(db.session.scalars(ended, execution_options=NO_SYNC).all())


def wait(*counters: Counter) -> int:
    """Seconds until all counters allow an attempt, 0 if they do now."""
    rooms = {one.key: (one.bound.full - one.bound.every).total_seconds() for one in counters}
    found = read(_ahead(), {"keys": [*rooms]})
    return max([0, *(math.ceil(float(one.seconds) - rooms[one.key]) for one in found)])


@cache
def _ahead() -> Select[*tuple[Any, ...]]:
    ahead = func.extract("epoch", RateLimit.free_at - _now()).label("seconds")
    keys = bindparam("keys", type_=ARRAY(LargeBinary))
    return kept(select(RateLimit.key, ahead).where(RateLimit.key == any_(keys)))


@command
def forgive(counters: Iterable[Counter]) -> None:
    """Take back an attempt that succeeded."""
    for counter in counters:
        own = RateLimit.key == counter.key
        fewer = update(RateLimit).where(own).values(free_at=RateLimit.free_at - counter.bound.every)
        db.session.execute(fewer if counter.is_shared else delete(RateLimit).where(own), execution_options=NO_SYNC)


def _now() -> ColumnElement[datetime]:
    return func.clock_timestamp(type_=RateLimit.free_at.type)
