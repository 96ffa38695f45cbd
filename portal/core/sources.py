"""What is a list made of? Its rows, its views, and by what it can be narrowed, sorted and searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import ColumnExpressionArgument, Row, Select

if TYPE_CHECKING:
    from portal.core.listing import Listing

Rows: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Sort:
    """A column to sort by. `read` makes a cursor's text into the column's type again, or raises ValueError."""

    column: Any
    read: Callable[[str], Any] = str


@dataclass(frozen=True)
class Tab:
    """One view of the list by status: which rows, and how they are sorted unless asked otherwise."""

    label: str
    condition: ColumnExpressionArgument[bool]
    sorts: Mapping[str, Sort]
    default_sort: str
    with_deleted: bool = False
    estimated: ColumnExpressionArgument[bool] | None = None  # for the planner, where the exact condition misleads it


@dataclass(frozen=True)
class Filter:
    """A condition by name. `condition` returns None for a value that means nothing, which then filters nothing.

    `chip` says the filter in words; it is given the value, and the first row found, if any. `wrong` says, where people
    write the value, what is wrong with one that means nothing.
    """

    condition: Callable[[str], ColumnExpressionArgument[bool] | None]
    chip: Callable[[str, Row[Any] | None], str]
    wrong: str = ""


@dataclass(frozen=True)
class Found:
    """Which part of what is found is wanted: so many from a place on, in the list's order or against it."""

    most: int
    down: bool
    place: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class Source:
    """What a list shows: its rows without any condition, and by what it can be narrowed and sorted."""

    entity: Any
    rows: Rows
    tabs: Mapping[str, Tab]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    key: Any = None  # what tells rows of one sort value apart, unless the entity's id; the rows call it `id`
    search: Callable[[str], Sequence[ColumnExpressionArgument[bool]]] | None = None  # unless in `search_text`
    newest: Any = None  # the column in whose order a search reads, unless created_at
    best: Callable[[Listing], Sort] | None = None  # how a search is sorted unless asked otherwise
    find: Any = None  # (Listing, Found) -> a function of the database that finds keys and ranks
