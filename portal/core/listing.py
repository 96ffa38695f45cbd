"""Turn a URL into one page of a list: search, filters, sorting, keyset pages and counts."""

from __future__ import annotations

import uuid
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, bindparam, func, literal_column, select, tuple_

from portal.core import counts, cursors, ignored, jumping
from portal.core.actor import current_actor
from portal.core.beginning import keeping_plans
from portal.core.counts import Count as Count  # the same name as in other modules about lists
from portal.core.db import db, read
from portal.core.filtering import chosen
from portal.core.grouping import Grouped, Place, place_of
from portal.core.jumping import jump_of, place_at
from portal.core.keys import NO_KEY
from portal.core.list_counts import ListCounts
from portal.core.list_urls import BEST
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

NOT_A_DAY = jumping.NO_DAY
NO_FILTERS: Mapping[str, Filter] = {}
# With more matches, scanning an index until a page is full reads fewer rows than sorting all matches.
SCANNED_ABOVE = 5_000
MOST_KEPT = 128
ALL = 1_000_000  # rows found by a search inside a tenant that is sorted by groups


class Listing(ListCounts):
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
        self._column, self._groups = sorted_by.column, sorted_by.groups
        reading = self._read_grouped if self._groups else sorted_by.read
        self._after = cursors.decoded(arguments.get("after"), reading)
        self._before = cursors.decoded(arguments.get("before"), reading)
        self.jumps_to = None if self.sort == BEST else jump_of(sorted_by)
        if (at := arguments.get("at")) and not (self._after or self._before or self._from_end):
            self._begin_at(at, sorted_by)

    def _begin_at(self, text: str, sorted_by: Sort) -> None:
        place = jumping.NO_PLACE if self.jumps_to is None else place_at(text, sorted_by, down=self._downward())
        if isinstance(place, str):
            self.refused["at"] = place
        else:
            self._after = place

    def page(self) -> Page:
        """Read the page in one statement, perhaps after the planner's estimate."""
        known = self._known_total
        statement, bound = self._kept_statement()
        with keeping_plans() if self._is_found_by_place else nullcontext():
            found = read(statement, self._values(self._place), **self.options)
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
        self._total = total
        return Page(rows, total, self._links(rows, more, backward), None if backward or self._after else 1)

    def _kept_statement(self) -> tuple[Rows, float | None]:
        """The whole statement and the bound of its count, kept when it is asked for again in the same form."""
        if not self.source.is_kept or (form := self._form) is None:
            return self._whole_statement()
        known = _kept(form)
        known.times += 1
        if known.times == 1:
            return self._whole_statement()
        if known.made is None:
            statement, bound = self._whole_statement()
            known.made = kept(statement), bound
        return known.made

    @property
    def _form(self) -> Hashable:
        """What the statement depends on, besides the values of its named parameters; None if it isn't kept.

        It contains the values of filters, but never what a person searches for.
        """
        asked: Hashable = self._finds and not self._groups
        if not asked:
            asked = None if self.q else counts.form_of(self._conditions)
            if asked is None:
                return None
            asked = asked, *self.filters.items()
        group = self._grouped_place.group if self._groups and self._grouped_place else None
        place = self._from_end, self._before is None, self._after is None, group, self._groups and self._is_few
        about = self.about is None, (self.about or 0) > SCANNED_ABOVE, self._is_counted
        return self.source.rows, self.tab.condition, self.sort, self.per_page, current_actor().role, asked, place, about

    @property
    def _is_found_by_place(self) -> bool:
        """Whether one plan is good for every page: they differ only in the place where they begin."""
        return current_actor().is_unlimited and not self.is_filtered and not self._groups and self._place is not None

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

    def after(self, place: tuple[Any, uuid.UUID] | None, most: int) -> Rows:
        """The statement for `most` rows after the one with this sort key and id, or of the first rows."""
        self.per_page, self._from_end, self._before, self._after = most - 1, False, None, place
        return self._page_statement()

    def batches(self, size: int) -> Iterator[Sequence[Row[Any]]]:
        """Every row of the list, in batches of one statement each."""
        found: Sequence[Row[Any]] = ()
        while not found or len(found) == size:
            place = (found[-1].sort_key, found[-1].id) if found else None
            found = read(self.after(place, size), self._values(place), **self.options)
            if not found:
                return
            yield found

    def _sorted_by(self) -> Sort:
        best = self.source.best if self.sort == BEST else None
        return best(self) if best else self.tab.sorts[self.sort.removeprefix("-")]

    def _page_statement(self) -> Rows:
        entity, column = self.source.entity, self._column
        if self._groups:
            page = self._grouped().keys().subquery("page").c
            rows = self.source.rows.add_columns(page.sort_key).join(page.id.table, page.id == entity.id)
            return rows.order_by(page.turn, page.at)
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

    def _grouped(self) -> Grouped:
        """Few rows are looked up first, those of searches by a database function; in a tenant, all of searches."""
        finds = self._finds and (self._is_few or not current_actor().is_unlimited)
        narrowed = self._only_found if finds else self._narrowed
        key, down, most = self.source.entity.id, self._downward(), self.per_page + 1
        return Grouped(self._groups, key, narrowed, down, self._grouped_place, most, is_found=self._is_few or finds)

    @property
    def _is_few(self) -> bool:
        is_found_in_order = not self.q and len(self.filters) == 1 and self._is_in_order_of_filter
        is_part = (self.is_filtered or bool(self.options)) and not is_found_in_order
        return is_part and current_actor().is_unlimited and self._estimate() <= SCANNED_ABOVE

    @property
    def _is_in_order_of_filter(self) -> bool:
        """Whether the list is sorted by a column that it is filtered by: that column's index has its order."""
        return self.sort.removeprefix("-") in self._orders

    @property
    def _orders(self) -> set[str]:
        return {one.sort.removeprefix("-") for name in self.filters if (one := self.source.filters[name]).sort}

    def _only_found(self, statement: Rows) -> Rows:
        return statement.where(self.source.entity.id.in_(select(self._find(Found(ALL, down=False)).c.id)))

    def _read_grouped(self, text: str) -> str:
        place_of(self._groups, text, NO_KEY)
        return text

    @property
    def _grouped_place(self) -> Place | None:
        return place_of(self._groups, *self._place) if self._place else None

    def _values(self, place: tuple[Any, uuid.UUID] | None) -> dict[str, Any]:
        """The values of the statement's named parameters."""
        if place and self._groups:
            return {**self.asked, **place_of(self._groups, *place).values}
        return {**self.asked, **(_written(place) if self._finds else _named(place))}

    @property
    def _are_few_found_by_index(self) -> bool:
        """Whether a filter has an index in another order, which finds rows so few that sorting them is faster."""
        is_other = bool(self._orders) and not self._is_in_order_of_filter
        return is_other and self.about is not None and self.about <= SCANNED_ABOVE

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
        most: Any = literal_column(str(self.per_page + 1))  # plans for any number would prepare for many rows
        return self._ordered(statement, *keys).limit(most)

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

    def _downward(self) -> bool:
        return self.sort.startswith("-") != (self._from_end or self._before is not None)

    def _found_keys(self) -> Rows:
        """The keys from the start of the page. On a first page that is counted, one query finds both rows and count."""
        place = self._place
        if self._is_counted and not (place or self._from_end):
            keys = self._first_found
        else:
            keys = self._find(Found(self.per_page + 1, self._downward(), _written(place)))
        return select(keys.c.id, keys.c.rank, keys.c.place).order_by(keys.c.place)

    def _links(self, rows: Sequence[Row[Any]], more: bool, backward: bool) -> dict[str, str | None]:
        has_previous = more if backward else self._after is not None
        has_next = (self._before is not None) if backward else more
        return cursors.neighbors(self.url_with, rows, has_previous=has_previous, has_next=has_next)


def _named(place: tuple[Any, uuid.UUID] | None) -> dict[str, Any]:
    return dict(zip(("place", "place_id"), place or (), strict=False))


def _written(place: tuple[Any, uuid.UUID] | None) -> dict[str, Any]:
    """The same with the sort key as text."""
    return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in _named(place).items()}


@dataclass
class _Kept:
    times: int = 0  # that it was asked for
    made: tuple[Rows, float | None] | None = None


@lru_cache(maxsize=MOST_KEPT)
def _kept(_form: Hashable) -> _Kept:
    return _Kept()


def forget() -> None:
    """Forget all statements, for tests that change the bounds of counts."""
    _kept.cache_clear()
