"""Turn a URL into one page of a list: search, filters, sorting, keyset pages and counts."""

from __future__ import annotations

import math
import uuid
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Row, bindparam, func, literal, null, select, tuple_

from portal.core import counts, cursors, ignored
from portal.core.actor import current_actor
from portal.core.counts import Count as Count  # the same name as in other modules about lists
from portal.core.db import db, read
from portal.core.filtering import chosen
from portal.core.list_urls import BEST, ListUrls
from portal.core.list_urls import PER_PAGE as PER_PAGE
from portal.core.scoping import kept
from portal.core.sources import Filter as Filter
from portal.core.sources import Found as Found
from portal.core.sources import Link as Link
from portal.core.sources import Page as Page
from portal.core.sources import Rows as Rows
from portal.core.sources import Sort as Sort
from portal.core.sources import Source as Source
from portal.core.sources import Tab as Tab
from portal.core.terms import matches, words_of

NOT_A_DAY = "This is not a valid date, so it has no effect. Enter a date such as 2026-03-31."
NO_FILTERS: Mapping[str, Filter] = {}
# With more matches, scanning an index until a page is full reads fewer rows than sorting all matches.
SCANNED_ABOVE = 5_000
MOST_KEPT = 64
_kept: dict[Hashable, tuple[Rows, float | None]] = {}


class Listing(ListUrls):
    """A list as described by a URL. Arguments without effect are listed in `refused`, each with a sentence."""

    per_page_choices = PER_PAGE
    columns: Sequence[str] = ()  # names of the chosen ones; the usual ones if empty
    view = ""  # the key of the saved view with which it was opened

    def __init__(self, source: Source, arguments: Mapping[str, str], path: str) -> None:
        self.source = source
        self.path = path
        self.status = cursors.one_of(arguments.get("status"), source.tabs)
        self.tab = source.tabs[self.status]
        self.q = " ".join(words_of(arguments.get("q", "")))
        asked = chosen(source.filters, arguments)
        self.filters, self.refused, self.typed = asked.values, asked.refused, asked.typed
        self._conditions = asked.conditions
        self.has_best = bool(self.q) and source.best is not None and (source.find is None or self._can_find)
        sorts = [name for key in self.tab.sorts for name in (key, f"-{key}")] + [BEST] * self.has_best
        own = asked.sort if asked.sort in sorts else self.tab.default_sort
        self.default_sort = BEST if self.has_best else own
        self.sort = cursors.one_of(arguments.get("sort"), sorts, self.default_sort)
        self.per_page = int(cursors.one_of(arguments.get("per_page"), [str(size) for size in PER_PAGE]))
        own_values = {"status": self.status, "sort": self.sort, "per_page": str(self.per_page)}
        self.refused |= ignored.sentences(arguments, own_values, source.filters)
        search = source.search or (lambda text: matches(source.entity.search_text, text))
        self._found = search(self.q) if self.q else []
        self._sample: Row[Any] | None = None
        self._tally: Sequence[int] = ()
        self._from_end = arguments.get("page") == "last"
        sorted_by = self._sorted_by()
        self._column = sorted_by.column
        self._after = cursors.decoded(arguments.get("after"), sorted_by.read)
        self._before = cursors.decoded(arguments.get("before"), sorted_by.read)

    def page(self) -> Page:
        """Read the page in one statement, perhaps after the planner's estimate."""
        known = self._known_total
        statement, bound = self._kept_statement()
        found = read(statement, _named(self._place), **self.options)
        if not found and (self._after or self._before):  # the page became empty: the nearest page with rows
            self._from_end, self._after, self._before = self._before is None, None, None
            return self.page()
        backward = self._from_end or self._before is not None
        more = len(found) > self.per_page
        rows = found[: self.per_page][:: -1 if backward else 1]
        self._sample = rows[0] if rows else None
        if rows:
            self._tally = getattr(rows[0], "tally", ())
        elif (tally := self._tallying) is not None:
            self._tally = db.session.scalars(select(tally)).one()
        if known is not None:
            total = known
        elif not (more or backward or self._after):
            total = Count(len(rows))
        elif bound is not None:
            total = Count.bounded(self._number_of(rows), bound)
        else:
            total = Count(self.about or 0, "about")
        if total.kind != "exact" and rows and self.q and rows[0].size <= counts.BOUND:
            total = self._counted()
        return Page(rows, total, self._links(rows, more, backward), None if backward or self._after else 1)

    def _number_of(self, rows: Sequence[Row[Any]]) -> int:
        if self._tally and not self._is_divided:
            return self._tally[list(self.source.tabs).index(self.status)]
        return rows[0].counted if rows else 0

    def _kept_statement(self) -> tuple[Rows, float | None]:
        """The whole statement and the bound of its count, remembered for lists without search and filters."""
        if not self.source.is_kept or self.is_filtered:
            return self._whole_statement()
        order = self._column, self._downward(), self.per_page, bool(self._place)
        form = self.source.rows, self.tab.condition, *order, current_actor().role
        if form not in _kept:
            statement, bound = self._whole_statement()
            if bound != math.inf:  # whether it counts depends on an estimate
                return statement, bound
            if len(_kept) >= MOST_KEPT:
                _kept.clear()
            _kept[form] = kept(statement), bound
        return _kept[form]

    def _whole_statement(self) -> tuple[Rows, float | None]:
        """The statement of the page with its number of rows, and the bound of that number, None if it doesn't count."""
        statement = self._page_statement()
        if (tally := self._tallying) is not None:
            statement = statement.add_columns(tally.label("tally"))
            if not self._is_divided:
                return statement, self.source.tallied_to
        counting = self._counting() if self._known_total is None else None
        if counting:
            statement = statement.add_columns(counting[0].label("counted"))
        if self.q:
            statement = statement.add_columns(counts.size_of(self.source.entity).label("size"))
        return statement, counting[1] if counting else None

    @property
    def _is_divided(self) -> bool:
        """Whether a filter applies to this tab only, so that the tally counts more rows than the list has."""
        return any(self.source.filters[name].divides for name in self.filters)

    @property
    def _tallying(self) -> Any:
        """An expression with the number of rows of each tab, if it is known."""
        return None if self.q or self.source.tally is None else self.source.tally(self)

    def after(self, place: tuple[Any, uuid.UUID] | None, most: int) -> Rows:
        """The statement for `most` rows after the one with this sort key and id, or of the first rows."""
        self.per_page, self._from_end, self._before, self._after = most - 1, False, None, place
        return self._page_statement()

    def batches(self, size: int) -> Iterator[Sequence[Row[Any]]]:
        """Every row of the list, in batches of one statement each."""
        found: Sequence[Row[Any]] = ()
        while not found or len(found) == size:
            place = (found[-1].sort_key, found[-1].id) if found else None
            found = read(self.after(place, size), _named(place), **self.options)
            if not found:
                return
            yield found

    @staticmethod
    def totals(*lists: Listing) -> list[Count]:
        """The count of each list, as on its first page, in one statement."""
        counting = [one._counting() or (null(), 0) for one in lists]
        found = db.session.execute(select(*(number.label(None) for number, _ in counting))).one()
        return [
            Count(one.about or 0, "about") if number is None else Count.bounded(number, bound)
            for one, number, (_, bound) in zip(lists, found, counting, strict=True)
        ]

    def _counted(self) -> Count:
        counted = db.session.scalar(select(self._bounded_count(counts.BOUND)), execution_options=self.options)
        return Count.bounded(counted or 0, counts.BOUND)

    def _sorted_by(self) -> Sort:
        best = self.source.best if self.sort == BEST else None
        return best(self) if best else self.tab.sorts[self.sort.removeprefix("-")]

    def _page_statement(self) -> Rows:
        entity, column = self.source.entity, self._column
        if self._finds:
            keys = self._found_keys().limit(self.per_page + 1).subquery("keys").c
            place = func.concat(keys.rank, " ", column) if self.sort == BEST else column
            rows = self.source.rows.add_columns(place.label("sort_key")).join(keys.id.table, keys.id == entity.id)
            return rows.order_by(keys.place)
        is_walked = column is (self.source.newest or entity.created_at) or (self.about or 0) > SCANNED_ABOVE
        if not (self.q or self._are_few_found_by_index) or (is_walked and self.q and self.sort != BEST):
            if self.filters and self.source.key is None:  # skips rows by the index alone, if it has what they lack
                matching = self._narrowed(select(entity.id, column.label("sort_key")))
                return self._joined(self._placed(matching, column, entity.id))
            return self._placed(
                self._narrowed(self.source.rows.add_columns(column.label("sort_key"))), column, self._key
            )
        # Scanning an index by name until enough rows match could read all of it: find the matches first, then sort.
        matching = self._narrowed(select(entity.id, column.label("sort_key")))
        hits = matching.cte("hits").prefix_with("MATERIALIZED").c
        return self._joined(self._placed(select(hits.id, hits.sort_key), hits.sort_key, hits.id))

    @property
    def _are_few_found_by_index(self) -> bool:
        """Whether a filter has an index in another order, which finds rows so few that sorting them is faster."""
        orders = {one.sort.removeprefix("-") for name in self.filters if (one := self.source.filters[name]).sort}
        is_sorted = self.sort.removeprefix("-") in orders
        return bool(orders) and not is_sorted and self.about is not None and self.about <= SCANNED_ABOVE

    def _joined(self, keys: Rows) -> Rows:
        """The rows with these keys, in the order of the list."""
        page = keys.subquery("page").c
        rows = self.source.rows.add_columns(page.sort_key).join(page.id.table, page.id == self.source.entity.id)
        return self._ordered(rows, page.sort_key, page.id)

    def _placed(self, statement: Rows, *keys: Any) -> Rows:
        """The rows from the start of the page, plus one to find out whether there is a next page."""
        if cursor := self._place:
            values = (bindparam(*one, type_=key.type) for one, key in zip(_named(cursor).items(), keys, strict=True))
            place = tuple_(*values)
            statement = statement.where(tuple_(*keys) < place if self._downward() else tuple_(*keys) > place)
        return self._ordered(statement, *keys).limit(self.per_page + 1)

    @property
    def _place(self) -> tuple[Any, uuid.UUID] | None:
        """The sort key and id of the row beside the page."""
        return self._before or self._after

    def _ordered(self, statement: Rows, *keys: Any) -> Rows:
        down = self._downward()
        return statement.order_by(*(key.desc() if down else key.asc() for key in keys))

    @property
    def _key(self) -> Any:
        return self.source.entity.id if self.source.key is None else self.source.key

    @property
    def _known_total(self) -> Count | None:
        return None if self.is_filtered or self.status != next(iter(self.source.tabs)) else self.source.total

    def _downward(self) -> bool:
        return self.sort.startswith("-") != (self._from_end or self._before is not None)

    @property
    def _can_find(self) -> bool:
        return self.source.find is not None and all(self.source.filters[name].is_found for name in self.filters)

    @property
    def _finds(self) -> bool:
        """Whether a database function finds the page."""
        return bool(self.q) and self._can_find

    @property
    def _is_counted_as_found(self) -> bool:
        return self._finds and not current_actor().is_unlimited

    def _found_keys(self) -> Rows:
        """The keys from the start of the page. On a tenant's first page, one query finds both rows and count."""
        place = self._place
        if self._is_counted_as_found and not (place or self._from_end):
            keys = self._first_found
        else:
            keys = self._find(Found(self.per_page + 1, self._downward(), place))
        return select(keys.c.id, keys.c.rank, keys.c.place).order_by(keys.c.place)

    @cached_property
    def _first_found(self) -> Any:
        first = self._find(Found(max(counts.SEARCH_BOUND, self.per_page) + 1, self.sort.startswith("-")))
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
        if not counts.is_counted(self.about, searched=bool(self.q)):
            return None
        bound = counts.SEARCH_BOUND if self.q and self.about is None else counts.BOUND
        return self._bounded_count(bound), bound

    def _bounded_count(self, bound: int) -> Any:
        if self._is_counted_as_found:
            found = self._first_found if bound == counts.SEARCH_BOUND else self._find(Found(bound + 1, down=False))
            return select(func.count()).select_from(found).scalar_subquery()
        rows = self._narrowed(select(literal(1)).select_from(self.source.entity)).limit(bound + 1).subquery()
        return select(func.count()).select_from(rows).scalar_subquery()

    def _estimate(self) -> int:
        """The planner's estimate for the same rows, without reading them."""
        condition = self.tab.condition if self.tab.estimated is None else self.tab.estimated
        rows = select(literal(1)).select_from(self.source.entity).where(condition, *self._conditions, *self._found)
        return counts.estimated(rows, **self.options)

    @property
    def options(self) -> dict[str, bool]:
        """The execution options for its statements."""
        return {"with_deleted": True} if self.tab.with_deleted else {}

    def _links(self, rows: Sequence[Row[Any]], more: bool, backward: bool) -> dict[str, str | None]:
        has_previous = more if backward else self._after is not None
        has_next = (self._before is not None) if backward else more
        return cursors.neighbors(self.url_with, rows, has_previous=has_previous, has_next=has_next)


def _named(place: tuple[Any, uuid.UUID] | None) -> dict[str, Any]:
    return dict(zip(("place", "place_id"), place or (), strict=False))
