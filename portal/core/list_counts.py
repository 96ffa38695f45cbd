"""How many rows a list and each of its tabs have, in the statement that reads a page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnExpressionArgument, Row, func, literal, null, select

from portal.core import counts
from portal.core.actor import current_actor
from portal.core.counts import Count
from portal.core.db import db, read
from portal.core.list_urls import ListUrls
from portal.core.sources import Found, Rows


class ListCounts(ListUrls):
    """A list whose rows are counted: by totals, by a search that finds them, or one by one up to a bound."""

    _conditions: Sequence[ColumnExpressionArgument[bool]]
    _found: Sequence[ColumnExpressionArgument[bool]]

    def _number_of(self, rows: Sequence[Row[Any]]) -> int:
        if self._tally and not self._is_divided:
            return self._tally[list(self.source.tabs).index(self.status)]
        return rows[0].counted if rows else 0

    @property
    def _tallying(self) -> Any:
        """An expression with the number of rows of each tab, if it is known."""
        return None if self.q or self.source.tally is None else self.source.tally(self)

    def _counted(self) -> Count:
        counted = db.session.scalar(select(self._bounded_count(counts.BOUND)), execution_options=self.options)
        return Count.bounded(counted or 0, counts.BOUND)

    @property
    def _known_total(self) -> Count | None:
        return None if self.is_filtered or self.status != next(iter(self.source.tabs)) else self.source.total

    @property
    def _can_find(self) -> bool:
        return self.source.find is not None and all(self.source.filters[name].is_found for name in self.filters)

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """The values of the named parameters of the database function that finds the page."""
        return self.source.asked(self) if self._finds and self.source.asked else {}

    @property
    def _finds(self) -> bool:
        """Whether a database function finds the page."""
        return bool(self.q) and self._can_find

    @cached_property
    def _first_found(self) -> Any:
        """What a search finds for both its first page and its count."""
        first = self._find(Found(max(self._bound, self.per_page) + 1, self.sort.startswith("-")))
        return select(first.c.id, first.c.rank, first.c.place).cte("found").prefix_with("MATERIALIZED")

    def _find(self, part: Found) -> Any:
        return self.source.find(self, part).table_valued("id", "rank", with_ordinality="place").render_derived()

    def _narrowed(self, statement: Rows) -> Rows:
        return statement.where(self.tab.condition, *self._conditions, *self._found)

    @cached_property
    def _exact(self) -> Any:
        return None if self.q or self.source.count is None else self.source.count(self)

    @cached_property
    def about(self) -> int | None:
        """The planner's estimate, if the exact number isn't known and there is no tenant, which it doesn't know."""
        is_needed = self._known_total is None and self._exact is None and (bool(self.q) or not self.tab.is_small)
        return self._estimate() if is_needed and current_actor().is_unlimited else None

    def _counting(self) -> tuple[Any, float] | None:
        """An expression that counts the rows, and the bound at which it stops; None if that would take too long."""
        if self._exact is not None:
            return self._exact, math.inf
        return (self._bounded_count(self._bound), self._bound) if self._is_counted else None

    @property
    def _is_counted(self) -> bool:
        return counts.is_counted(self.about, searched=bool(self.q))

    @property
    def _bound(self) -> int:
        if self.q and self.about is None:
            return counts.SEARCH_BOUND
        return counts.SEARCH_COUNTED_BELOW if self._finds else counts.BOUND

    def _bounded_count(self, bound: int) -> Any:
        if self._finds:
            found = self._first_found if bound == self._bound else self._find(Found(bound + 1, down=False))
            return select(func.count()).select_from(found).scalar_subquery()
        rows = self._narrowed(select(literal(1)).select_from(self.source.entity)).limit(bound + 1).subquery()
        return select(func.count()).select_from(rows).scalar_subquery()

    def divided(self, conditions: Sequence[Any]) -> list[Count]:
        """How many rows the list has, and how many of them meet each condition: in one pass, up to BOUND rows."""
        marked = self._narrowed(select(*(one.label(f"is_{n}") for n, one in enumerate(conditions))))
        rows = marked.limit(counts.BOUND + 1).subquery()
        numbers = [func.count(), *(func.count().filter(part) for part in rows.c)]
        exact = null() if self._exact is None else self._exact
        labeled = (one.label(f"of_{n}") for n, one in enumerate([exact, *numbers]))
        known, every, *parts = read(select(*labeled).select_from(rows), {}, **self.options)[0]
        whole = Count.bounded(every, counts.BOUND) if known is None else Count(known)
        kind: Any = "exact" if every <= counts.BOUND else "more"
        return [whole, *(Count(min(part, counts.BOUND), kind) for part in parts)]

    @staticmethod
    def totals(*lists: ListCounts) -> list[Count]:
        """The count of each list, as on its first page: in one statement, or in two if some show deleted rows."""
        counting = [one._counting() or (null(), 0) for one in lists]
        numbers: dict[int, Any] = {}
        for options in ({}, {"with_deleted": True}):
            if places := [n for n, one in enumerate(lists) if one.options == options]:
                asked = select(*(counting[n][0].label(f"of_{n}") for n in places))
                numbers |= zip(places, read(asked, {}, **options)[0], strict=True)
        return [
            Count(one.about or 0, "about") if numbers[n] is None else Count.bounded(numbers[n], counting[n][1])
            for n, one in enumerate(lists)
        ]

    def _estimate(self) -> int:
        """The planner's estimate for the same rows, without reading them."""
        condition = self.tab.condition if self.tab.estimated is None else self.tab.estimated
        return counts.estimated(self.source.entity, [condition, *self._conditions, *self._found], **self.options)

    @property
    def options(self) -> dict[str, bool]:
        """The execution options for its statements."""
        return {"with_deleted": True} if self.tab.with_deleted else {}
