"""Sort rows by a column without an index in its order: first by groups, then within each by a column that has one.

A page reads the group where it begins, and further ones only until it is full. Groups are those of a few values (one
each for ADMINs and USERs), of rows with and without a value, or rows that belong to others, in the order of those.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy import literal_column as sql

from portal.core.cursors import moment, plain

Part = Literal["all", "rest", "others"]  # of a group: all of it, the rest of the owner's rows, those of other owners


@dataclass(frozen=True, eq=False)
class Owner:
    """Rows of a table to which those of the list belong by their `key`: these are sorted by the table's `order`."""

    rows: Any
    id: Any
    order: Any
    key: Any
    condition: ColumnElement[bool]
    read: Callable[[str], Any] = plain


@dataclass(frozen=True, eq=False)
class Group:
    """Some of the rows: their condition, and the column that sorts them, `down` if that is against the list's order."""

    condition: ColumnElement[bool]
    column: Any
    read: Callable[[str], Any] = moment
    down: bool = True
    owner: Owner | None = None


@dataclass(frozen=True)
class Place:
    """The position of a row: the number of its group, its value and key, and those of its owner if it has one."""

    group: int
    value: Any
    key: uuid.UUID
    order: Any = None
    owner: uuid.UUID | None = None

    @property
    def values(self) -> dict[str, Any]:
        owner = {} if self.owner is None else {"place_order": self.order, "place_owner": self.owner}
        return {"place": self.value, "place_id": self.key, **owner}


def place_of(groups: Sequence[Group], text: str, key: uuid.UUID) -> Place:
    """The position that a `sort_key` describes. Raises ValueError if it is invalid."""
    found = json.loads(text)
    if not isinstance(found, list) or len(found) < 2 or type(found[0]) is not int or found[0] not in range(len(groups)):
        raise ValueError(text)
    group = groups[found[0]]
    own, value = (group.owner, found[-1]) if group.owner and len(found) == 4 else (None, found[-1])
    if (own is None) != (group.owner is None):
        raise ValueError(text)
    place = Place(found[0], group.read(str(value)), key)
    return replace(place, order=own.read(str(found[1])), owner=uuid.UUID(str(found[2]))) if own else place


@dataclass(frozen=True)
class Grouped:
    """A page of keys: the groups, the list's direction, the position beside the page, and how many keys are wanted.

    `narrowed` adds the conditions of the list. If `is_found`, few rows meet them: they are looked up first.
    """

    groups: Sequence[Group]
    key: Any
    narrowed: Callable[[Select[Any]], Select[Any]]
    down: bool
    place: Place | None
    most: int
    is_found: bool

    def keys(self) -> Any:
        """A subquery of keys, with `sort_key`, and their order in `turn` and `at`."""
        hits = self._hits() if self.is_found else None
        parts: list[Any] = []
        for number, part in self._turns():
            found = self._part(number, part, hits)
            if parts:  # read only if those before don't fill the page
                before = [select(func.count()).select_from(one).scalar_subquery() for one in parts]
                found = found.where(sum(before[1:], start=before[0]) < self.most)
            columns = *found.selected_columns, sql(str(len(parts))).label("turn")
            parts.append(found.with_only_columns(*columns).cte(f"part{len(parts)}").prefix_with("MATERIALIZED"))
        page = union_all(*(select(one) for one in parts)).subquery("found").c
        return select(page.id, page.sort_key, page.turn, page.at).order_by(page.turn, page.at).limit(self.most)

    def _turns(self) -> Iterator[tuple[int, Part]]:
        """The parts of groups from the start of the page, in its direction."""
        for number in range(len(self.groups))[:: -1 if self.down else 1]:
            if self.place and (number > self.place.group if self.down else number < self.place.group):
                continue
            begins = self.place is not None and number == self.place.group
            if begins:
                yield number, "rest"
            if self.groups[number].owner and begins:
                yield number, "others"
            elif not begins:
                yield number, "all"

    def _hits(self) -> Any:
        """All rows of the list, with what each group needs to know."""
        columns = [
            column.label(f"{name}{number}")
            for number, one in enumerate(self.groups)
            for name, column in (
                ("is", one.condition),
                ("column", one.column),
                ("owner", one.owner.key if one.owner else literal(None, Uuid())),
            )
        ]
        return self.narrowed(select(self.key.label("id"), *columns)).cte("hits").prefix_with("MATERIALIZED").c

    def _part(self, number: int, part: Part, hits: Any) -> Select[Any]:
        group, owner = self.groups[number], self.groups[number].owner
        own: Any
        if hits is None:
            condition, column, key, own = group.condition, group.column, self.key, owner.key if owner else None
        else:
            condition, column, key = hits[f"is{number}"], hits[f"column{number}"], hits.id
            own = hits[f"owner{number}"]
        down = self.down != group.down
        rows = select(key.label("id"), column.label("column"), *((own.label("own"),) if owner else ()))
        rows = (rows if hits is not None else self.narrowed(rows)).where(condition)
        place = self.place if part != "all" else None
        if part == "rest" and place:
            if owner:
                rows = rows.where(own == bindparam("place_owner", place.owner, Uuid()))
            value, beside = bindparam("place", place.value, column.type), bindparam("place_id", place.key, key.type)
            rows = rows.where(_beyond((column, key), (value, beside), down=down))
        first = rows.order_by(*_directed((column, key), down)).limit(self.most)
        if owner is None:
            return _numbered(first.subquery().c, [], number, down)
        sorts = [*_directed((owner.order, owner.id), self.down)]
        if part == "rest" and place:
            near, joined = first.subquery().c, owner.id == bindparam("place_owner", place.owner, Uuid())
        elif hits is None:
            near, joined = first.where(own == owner.id).correlate(owner.rows).lateral().c, true()
        else:
            near = rows.subquery().c
            joined = near.own == owner.id
        found = _numbered(near, sorts, number, down, owner).select_from(owner.rows).join(near.id.table, joined)
        if part == "others" and place:
            values = (
                bindparam("place_order", place.order, owner.order.type),
                bindparam("place_owner", place.owner, Uuid()),
            )
            found = found.where(_beyond((owner.order, owner.id), values, down=self.down))
        return found.where(owner.condition).limit(self.most)


def _numbered(rows: Any, first: list[Any], number: int, down: bool, owner: Owner | None = None) -> Select[Any]:
    """The rows with their `sort_key` and numbers in their order, beginning with that of their owners."""
    order = [*first, *_directed((rows.column, rows.id), down)]
    of = (owner.order, owner.id) if owner else ()
    place = func.json_build_array(sql(str(number)), *of, rows.column, type_=JSON)
    at = func.row_number().over(order_by=order)
    return select(rows.id, cast(place, Text).label("sort_key"), at.label("at")).order_by(*order)


def _beyond(columns: Sequence[Any], values: Sequence[Any], *, down: bool) -> ColumnElement[bool]:
    found: ColumnElement[bool] = tuple_(*columns) < tuple_(*values) if down else tuple_(*columns) > tuple_(*values)
    return found


def _directed(columns: Sequence[Any], down: bool) -> list[Any]:
    return [one.desc() if down else one.asc() for one in columns]


def yes_or_no(column: Any, newest: Any) -> tuple[Group, ...]:
    """Rows where a boolean column is false, then those where it is true, each newest first."""
    return Group(~column, newest), Group(column, newest)


def present(column: Any, newest: Any, read: Callable[[str], Any], order: Any = None) -> tuple[Group, ...]:
    """Rows with a value in its order, or another one, then those without one, newest first."""
    ordered = column if order is None else order
    return Group(column.is_not(None), ordered, read, down=False), Group(column.is_(None), newest)
