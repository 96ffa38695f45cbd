"""Totals of lists: exact, estimated or bounded, and the sizes up to which they are counted."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, Select, column, func, literal, select, table

from portal.core.clock import now
from portal.core.db import db

BOUND = 10_000  # below it counts are exact
COUNTED_BELOW = 12_000  # by the planner's estimate, which may be off
SEARCH_BOUND = 100  # for searches inside a tenant, where the whole table is larger than BOUND
SEARCH_COUNTED_BELOW = 2_000  # for other searches, which aren't counted if the planner expects more
REMEMBERED = timedelta(minutes=1)
MOST_REMEMBERED = 1_000
PG_CLASS = table("pg_class", column("oid"), column("reltuples"), schema="pg_catalog")


_estimates: WeakKeyDictionary[Engine, dict[Hashable, tuple[datetime, int]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Count:
    """A number of rows: exact, or `more` than or `about` the value if an exact count would be too slow."""

    value: int
    kind: Literal["exact", "more", "about"] = "exact"

    @classmethod
    def bounded(cls, counted: int, bound: float) -> Count:
        """The result of a count that stops at one above `bound`."""
        return cls(counted) if counted <= bound else cls(int(bound), "more")


def number_of(number: int, one: str, several: str = "") -> str:
    """`1 column`, `2 columns`, `1,234 people`: the number with its noun in the singular or plural."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def numbered(count: Count, one: str, several: str = "") -> str:
    """`1 session`, `More than 10,000 sessions`: a count with its noun, at the beginning of a sentence."""
    return f"{'More than ' if count.kind == 'more' else ''}{number_of(count.value, one, several)}"


def counted(rows: Select[Any]) -> Count:
    """How many rows a statement has, up to BOUND."""
    return Count.bounded(db.session.scalar(counting(rows)) or 0, BOUND)


def counting(rows: Select[Any]) -> Select[int]:
    """The statement that counts the rows of another one, up to one more than BOUND."""
    every = rows.with_only_columns(literal(1), maintain_column_froms=True).order_by(None)
    return select(func.count()).select_from(every.limit(BOUND + 1).subquery())


def is_counted(about: int | None, *, searched: bool) -> bool:
    """Whether the statement that reads a page also counts, given the planner's estimate if there is one."""
    return about is None or about <= (SEARCH_COUNTED_BELOW if searched else COUNTED_BELOW)


def form_of(conditions: Sequence[Any]) -> Hashable:
    """A key that is equal for equal conditions with equal values; None if there can't be one."""
    keys = [one._generate_cache_key() for one in conditions]
    values = repr([bind.value for key in keys if key for bind in key.bindparams])
    return None if None in keys else (*(key.key for key in keys if key), values)


def estimated(entity: Any, conditions: Sequence[Any], **options: bool) -> int:
    """How many rows the planner expects, at most a minute ago: asking it takes as long as reading a page.

    Only for actors without a tenant, who all get the same.
    """
    form = form_of(conditions)
    name = form and (entity, form, *options.items())
    known = _estimates.setdefault(db.engine, {})
    made, value = known.get(name, (None, 0))
    if made is None or now() - made > REMEMBERED:
        rows = select(literal(1)).select_from(entity).where(*conditions)
        plan: Any = db.session.scalar(rows, execution_options={**options, "explain": True})
        value = int(plan[0]["Plan"]["Plan Rows"])
        if len(known) >= MOST_REMEMBERED:
            known.clear()
        if name:
            known[name] = now(), value
    return value


def forget() -> None:
    """Forget all estimates, for tests that roll back."""
    _estimates.clear()


def size_of(entity: Any) -> Any:
    """A scalar subquery with the planner's estimate of the table's row count."""
    name = func.to_regclass(entity.__table__.name)
    return select(PG_CLASS.c.reltuples).where(PG_CLASS.c.oid == name).scalar_subquery()
