"""Turn a URL into one page of a table: filters, sort order, and the position where the page begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Text, and_, cast, func, literal, or_, select, tuple_
from werkzeug.datastructures import MultiDict

from portal.core.counts import BOUND, COUNTED_BELOW, Count
from portal.core.sources import Page
from portal.data_browser.conditions import Condition, Unfit, operators_of, read, value_of
from portal.data_browser.tables import Column, Table
from portal.data_browser.values import LONG, Value, value_in

SIZES = (25, 50, 100)
LONGEST_PLACE = 4000
LONGEST_VALUE = 200  # characters of a sort value in a URL; longer ones are looked up by the row's key
LONGEST_KEY = 2000  # characters; rows with longer keys have no URL
MOST_CONDITIONS = 12


@dataclass(frozen=True)
class Line:
    """A row of the page: its key, and its values in the order of the columns."""

    key: Sequence[str]
    values: Sequence[Value]
    is_deleted: bool
    place: str | None


class View:
    """A table as described by a URL. Invalid arguments are reported in `problem` and ignored."""

    def __init__(self, table: Table, arguments: MultiDict[str, str], path: str) -> None:
        self.table = table
        self.path = path
        self.problem: Unfit | None = None
        self.conditions = self._conditions(arguments)
        self.asked = table.columns.get(arguments.get("column", ""))  # the column whose filter is being edited
        self.typed = arguments.get("operator", ""), arguments.get("value", "")
        if self.asked is not None and "operator" in arguments:
            self._add(f"{self.asked.name}:{self.typed[0]}:{self.typed[1]}")
        self.shown = [name for name in table.columns if name in arguments.getlist("show")] or table.default_columns
        self.sort = self._sort(arguments.get("sort", ""))
        size = arguments.get("per_page", "")
        self.per_page = int(size) if size in map(str, SIZES) else SIZES[0]
        self._after = self._place(arguments.get("after"))
        self._before = None if self._after else self._place(arguments.get("before"))
        self._from_end = arguments.get("page") == "last" and not (self._after or self._before)

    # Arguments of the URL

    def _conditions(self, arguments: MultiDict[str, str]) -> list[Condition]:
        found = []
        for written in arguments.getlist("where")[:MOST_CONDITIONS]:
            try:
                found.append(read(self.table, written))
            except Unfit as error:
                self.problem = error
        return found

    def _add(self, written: str) -> None:
        try:
            self.conditions.append(read(self.table, written))
            self.asked = None
        except Unfit as error:
            self.problem = error

    def _sort(self, wanted: str) -> str:
        """The sort order in the URL if the column is sortable, else by the key, newest first."""
        column = self.table.columns.get(wanted.removeprefix("-"))
        if column is not None and not column.is_sortable:
            reason = "it is secret" if column.secret else f"{column.type} has no order"
            self.problem = Unfit(f"The table can't be sorted by {column.name}: {reason}.", column.name)
            column = None
        if column is not None:
            return wanted
        ordered = [one.name for one in self.table.readable if one.is_sortable]
        return f"-{(list(self.table.key) or [one for one in ordered if one.endswith('_at')] or ordered)[0]}"

    def _place(self, text: str | None) -> list[Any] | None:
        """The position of the page: the sort value (True: look it up by the key) and the key. None if invalid."""
        if not text or len(text) > LONGEST_PLACE or not self.table.key:
            return None
        try:
            found = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=="))
        except (ValueError, binascii.Error, RecursionError):
            return None
        is_place = isinstance(found, list) and len(found) == 1 + len(self.table.key)
        if not is_place or not all(isinstance(one, str) and _is_storable(one) for one in found[1:]):
            return None
        value = found[0]
        fits = value is None or value is True or (isinstance(value, str) and _is_storable(value))
        return found if fits else None

    # Queries

    def page(self, connection: Connection) -> Page:
        """Read the page, and one more row to find out whether there is a next page."""
        found = connection.execute(self._statement()).all()
        backward = self._from_end or self._before is not None
        more = len(found) > self.per_page
        lines = [self._line(row) for row in found[: self.per_page][:: -1 if backward else 1]]
        whole = not (more or backward or self._after)
        total = Count(len(lines)) if whole else self._count(connection)
        return Page(lines, total, self._links(lines, more, backward), None if backward or self._after else 1)

    @property
    def _column(self) -> Column:
        return self.table.columns[self.sort.removeprefix("-")]

    @property
    def _keys(self) -> list[str]:
        """The columns that distinguish rows with the same sort value."""
        return [name for name in self.table.key if name != self._column.name]

    def _down(self) -> bool:
        return self.sort.startswith("-") != (self._from_end or self._before is not None)

    def _statement(self) -> Any:
        names = [self._column.name, *self._keys]
        columns = [self.table.of(name) for name in names]
        texts = [func.left(cast(self.table.of(one.name), Text), LONG + 1).label(f"v_{one.name}") for one in self._read]
        lengths = {self._column.name: LONGEST_VALUE, **dict.fromkeys(self.table.key, LONGEST_KEY)}
        places = [
            func.left(cast(self.table.of(name), Text), most + 1).label(f"k_{name}") for name, most in lengths.items()
        ]
        statement = select(*texts, *places).where(*(one.clause for one in self.conditions))
        place = self._before or self._after
        if place is not None:
            statement = statement.where(self._beyond(columns, place))
        down = self._down()
        return statement.order_by(*(one.desc() if down else one.asc() for one in columns)).limit(self.per_page + 1)

    @cached_property
    def _read(self) -> list[Column]:
        beside = (one.columns for name, one in self.table.references.items() if name in self.shown)
        wanted = {*self.shown, *chain(*beside), *(["deleted_at"] if self.table.has_soft_delete else [])}
        return [one for one in self.table.readable if one.name in wanted]

    def _beyond(self, columns: Sequence[Any], place: Sequence[Any]) -> Any:
        """The condition for rows after the position. NULLs are last, or first in descending order."""
        given = dict(zip(self.table.key, place[1:], strict=True))
        rest = [value_of(self.table.columns[name], given[name] or "") for name in self._keys]
        down, first, others = self._down(), columns[0], columns[1:]
        if place[0] is None:
            further = _beyond(others, rest, down) if others else literal(False)
            return or_(and_(first.is_(None), further), first.is_not(None)) if down else and_(first.is_(None), further)
        value = self._value_at(given) if place[0] is True else value_of(self._column, place[0])
        further = _beyond(columns, [value, *rest], down)
        return further if down or self._column.is_required else or_(further, first.is_(None))

    def _value_at(self, key: Mapping[str, str]) -> Any:
        """The full sort value of the row with this key."""
        row = self.table.clause.alias()
        is_row = [row.c[name] == value_of(self.table.columns[name], text) for name, text in key.items()]
        return select(row.c[self._column.name]).where(*is_row).scalar_subquery()

    def _count(self, connection: Connection) -> Count:
        """The exact count below a bound, or the planner's estimate for large tables without filters."""
        if not self.conditions and self.table.estimate > COUNTED_BELOW:
            return Count(self.table.estimate, "about")
        counted = select(literal(1)).select_from(self.table.clause).where(*(one.clause for one in self.conditions))
        bounded = counted.limit(BOUND + 1).subquery()
        return Count.bounded(connection.scalar(select(func.count()).select_from(bounded)) or 0, BOUND)

    def _line(self, row: Any) -> Line:
        texts = row._mapping
        key = [texts[f"k_{name}"] for name in self.table.key]
        own = {one.name: texts[f"v_{one.name}"] for one in self._read}
        values = [value_in(self.table, name, own, LONG) for name in self.shown]
        sorted_by = texts[f"k_{self._column.name}"]
        is_long = self._column.name not in self.table.key and len(sorted_by or "") > LONGEST_VALUE
        place = json.dumps([is_long or sorted_by, *key], separators=(",", ":"))
        written = base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")
        is_deleted = self.table.has_soft_delete and texts["v_deleted_at"] is not None
        has_address = all(len(one) <= LONGEST_KEY for one in key)
        return Line(key if has_address else [], values, is_deleted, written if len(written) <= LONGEST_PLACE else None)

    # URLs

    def _links(self, lines: Sequence[Line], more: bool, backward: bool) -> dict[str, str | None]:
        has_previous = more if backward else self._after is not None
        has_next = (self._before is not None) if backward else more
        if not self.table.key:  # there is no position for the next page
            has_previous = has_next = False
        first, last = (lines[0].place, lines[-1].place) if lines else (None, None)
        return {
            "first": self.url if has_previous else None,
            "previous": self.url_with(before=first) if has_previous and first else None,
            "next": self.url_with(after=last) if has_next and last else None,
            "last": self.url_with(page="last") if has_next else None,
        }

    @property
    def url(self) -> str:
        return self.url_with()

    @property
    def is_default_view(self) -> bool:
        return self.shown == self.table.default_columns

    @property
    def hides_internal(self) -> bool:
        return any(one.is_internal and one.name not in self.shown for one in self.table.columns.values())

    @property
    def internal_url(self) -> str:
        """The URL of this page with internal columns."""
        shown = [one.name for one in self.table.columns.values() if one.is_internal or one.name in self.shown]
        return self._url([*(pair for pair in self._pairs() if pair[0] != "show"), *(("show", name) for name in shown)])

    @property
    def filterable(self) -> list[Column]:
        return [one for one in self.table.readable if one.name in self.shown or not one.is_internal]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The hidden fields of the filter form."""
        return [pair for pair in self._pairs() if pair[0] != "per_page"]

    def without(self, condition: Condition) -> str:
        return self._url([pair for pair in self._pairs() if pair != ("where", condition.written)])

    @property
    def without_deleted_url(self) -> str | None:
        """The URL without deleted rows, which many indexes exclude. None if deletion is already filtered."""
        if not self.table.has_soft_delete or any(one.column == "deleted_at" for one in self.conditions):
            return None
        return self._url([("where", "deleted_at:null:"), *self._pairs()])

    def sort_url(self, name: str) -> str:
        return self.url_with(sort=f"-{name}" if self.sort == name else name)

    def sort_direction(self, name: str) -> str | None:
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort)

    def operators(self) -> dict[str, str]:
        return operators_of(self.asked) if self.asked and self.asked.secret is None else {}

    def url_with(self, **changes: str) -> str:
        return self._url([*(pair for pair in self._pairs() if pair[0] not in changes), *changes.items()])

    def _pairs(self) -> list[tuple[str, str]]:
        pairs = [("where", one.written) for one in self.conditions]
        pairs += [] if self.is_default_view else [("show", name) for name in self.shown]
        pairs += [] if self.sort == self._sort("") else [("sort", self.sort)]
        return pairs + ([] if self.per_page == SIZES[0] else [("per_page", str(self.per_page))])

    def _url(self, pairs: Sequence[tuple[str, str]]) -> str:
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path


def _beyond(columns: Sequence[Any], values: Sequence[Any], down: bool) -> Any:
    """Compare as row values, which can use an index."""
    if len(columns) == 1:
        return columns[0] < values[0] if down else columns[0] > values[0]
    left, right = tuple_(*columns), tuple_(*values)
    return left < right if down else left > right


def _is_storable(text: str) -> bool:
    return "\x00" not in text and not any(0xD800 <= ord(one) <= 0xDFFF for one in text)
