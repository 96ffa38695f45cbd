"""The parts of a list: rows, pages, tabs, filters, sort orders and search."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import ColumnExpressionArgument, Row, Select

from portal.core.counts import Count
from portal.core.cursors import moment
from portal.core.grouping import Group
from portal.core.policy import Permission

Rows: TypeAlias = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Link:
    label: str
    url: str
    current: bool = False
    count: Count | None = None  # of the rows in that list


@dataclass(frozen=True)
class Page:
    """One page of rows, the total number of rows, and the URLs of neighboring pages (None if there is no such page)."""

    rows: Sequence[Any]
    total: Count
    links: Mapping[str, str | None]
    first_number: int | None

    @property
    def has_others(self) -> bool:
        """Whether the list has other pages."""
        return any(self.links.values())


@dataclass(frozen=True)
class Sort:
    """A column to sort by. `read` converts a cursor's text to the column's type, or raises ValueError.

    With `groups`, rows are sorted by these, and the column only names the sort.
    """

    column: Any
    read: Callable[[str], Any] = str
    groups: Sequence[Group] = ()


@dataclass(frozen=True)
class Tab:
    """A tab of the list: the condition of its rows, and their default sort."""

    label: str
    condition: ColumnExpressionArgument[bool]
    sorts: Mapping[str, Sort]
    default_sort: str
    with_deleted: bool = False
    estimated: ColumnExpressionArgument[bool] | None = None  # if the planner misjudges the exact condition
    is_small: bool = False  # counted without asking the planner first


def named_tabs(model: Any, condition: ColumnExpressionArgument[bool], **further: Sort) -> dict[str, Tab]:
    """The tabs of records with a `sort_name`: the active ones that meet the condition, and the deleted ones.

    Both can be sorted in `further` orders, too.
    """
    name = {"name": Sort(model.sort_name.collate("C"))}
    sorts = {**name, **{key: Sort(getattr(model, key), moment) for key in ("created_at", "updated_at")}, **further}
    deleted = {**name, "deleted_at": Sort(model.deleted_at, moment), **further}
    return {
        "active": Tab("Active", condition, sorts, "name"),
        "deleted": Tab("Deleted", model.deleted_at.is_not(None), deleted, "-deleted_at", with_deleted=True),
    }


@dataclass(frozen=True)
class Filter:
    """A named condition. `condition` returns None for an invalid value, which then has no effect.

    `chip` describes the filter in words, given one value and the first row of the page, if any. `wrong` is the error
    message for an invalid value that a person entered. A filter with a `label` is shown above the list, or, if it is
    rare, on the page of all filters: with its `choices` (values and labels), as text with `suggestions` of rows of
    that table, or else as a date. If it divides a tab, its choices are shown as parts of that tab, except the one for
    the `whole` tab. `is_found` is false if the source's `find` doesn't apply it. With `any_of`, the condition for rows
    with any of several values, URLs can have several, separated by commas. `key_of` finds the key of the row that has
    the entered name, which URLs then contain; it returns an empty text to refuse a name, None to pass it on.
    """

    condition: Callable[[str], ColumnExpressionArgument[bool] | None]
    chip: Callable[[str, Row[Any] | None], str]
    wrong: str = ""
    label: str = ""
    choices: Callable[[], Sequence[tuple[str, str]]] | None = None
    suggestions: str = ""
    is_found: bool = True
    divides: str = ""  # the tab
    whole: str = ""
    any_of: Callable[[Sequence[str]], ColumnExpressionArgument[bool]] | None = None
    key_of: Callable[[str], str | None] | None = None
    is_rare: bool = False
    permission: Permission | None = None  # needed to be offered it
    sort: str = ""  # the order of its index, and of the list, unless its URL names another


@dataclass(frozen=True)
class Found:
    """The requested slice of matches: maximum number, direction, and start position."""

    most: int
    down: bool
    place: Mapping[str, Any] = field(default_factory=dict)  # named `place` (as text) and `place_id`, or empty


@dataclass(frozen=True)
class Source:
    """The source of a list: a statement for its rows without conditions, and its tabs, filters and search."""

    entity: Any
    rows: Rows
    tabs: Mapping[str, Tab]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    key: Any = None  # the tiebreaker, unless it is the entity's id; rows call it `id`
    search: Callable[[str], Sequence[ColumnExpressionArgument[bool]]] | None = None  # if not in `search_text`
    newest: Any = None  # the column by which a search is ordered, unless created_at
    best: Callable[[Any], Sort] | None = None  # the default sort of a search: Listing -> Sort
    find: Any = None  # (Listing, Found) -> a database function that finds keys and ranks
    asked: Callable[[Any], Mapping[str, Any]] | None = None  # Listing -> the values of its named parameters
    count: Callable[[Any], Any] | None = None  # Listing -> an expression with its exact number of rows, or None
    total: Count | None = None  # the number of rows without filters, if it is known
    is_kept: bool = False  # whether its rows, tabs and sort orders are built once, so that statements can be kept
    tally: Callable[[Any], Any] | None = None  # Listing -> an array with the number of rows of each tab, or None
    tallied_to: float = math.inf  # the bound of these numbers
