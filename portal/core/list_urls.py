"""The URLs of a list: with other filters, tabs, sort orders and page sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Row

from portal.core.actor import current_actor
from portal.core.counts import Count
from portal.core.filtering import values_of
from portal.core.keys import read_key
from portal.core.policy import allows
from portal.core.sources import Filter, Link, Source, Tab

BEST = "best"
PER_PAGE = (25, 50, 100)


class ListUrls:
    """What a list shows about itself: tabs, chips and filters, each with the URL of the list it leads to."""

    source: Source
    path: str
    status: str
    tab: Tab
    q: str
    filters: dict[str, str]
    sort: str
    default_sort: str
    has_best: bool
    per_page: int
    usual_per_page = PER_PAGE[0]
    carried: Mapping[str, str] = {}  # further arguments of all its URLs
    _sample: Row[Any] | None
    _tally: Sequence[int]
    _total: Count | None = None  # once its page was read

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.filters)

    @property
    def url(self) -> str:
        """The canonical URL of this list."""
        return self.url_with()

    @property
    def clear_url(self) -> str:
        return self._url({"status": self._arguments().get("status"), **self.carried})

    @property
    def tab_counts(self) -> list[Count | None]:
        """The number of rows of each tab under these filters, or of the current one only; empty if none is known."""
        if self._tally or self.source.tally is None or self._is_divided:
            return [Count.bounded(number, self.source.tallied_to) for number in self._tally]
        return [self._total if name == self.status else None for name in self.source.tabs]

    @property
    def _is_divided(self) -> bool:
        """Whether a filter applies to this tab only, so that the tab has more rows than the list."""
        return any(self.source.filters[name].divides for name in self.filters)

    @property
    def tabs(self) -> list[Link]:
        own = ("status", "sort", *(name for name, one in self.source.filters.items() if one.divides))
        kept = {name: value for name, value in self._arguments().items() if name not in own}
        first = next(iter(self.source.tabs))
        counts = self.tab_counts or [None] * len(self.source.tabs)
        return [
            Link(tab.label, self._url({"status": None if name == first else name, **kept}), name == self.status, count)
            for (name, tab), count in zip(self.source.tabs.items(), counts, strict=True)
        ]

    @property
    def chips(self) -> list[Link]:
        """A link for each value of each filter, to the list without it."""
        return [
            Link(one.chip(part, self._sample), self.url_with(**{name: ",".join(p for p in parts if p != part)}))
            for name, value in self.filters.items()
            for one in [self.source.filters[name]]
            for parts in [values_of(one, value)]
            for part in parts
            if one.divides != self.status or len(parts) > 1
        ]

    @property
    def in_words(self) -> str:
        """How its rows are chosen, such as `Deactivated, “martin”, Role: Admin`. Empty for all of the first tab."""
        tab = [self.tab.label] if self.status != next(iter(self.source.tabs)) else []
        search = [f"“{self.q}”"] if self.q else []
        parts = [
            one.chip(self.filters[name], None)
            for name, one in self.source.filters.items()
            if one.divides == self.status and name in self.filters and "," not in self.filters[name]
        ]
        return ", ".join((*tab, *parts, *search, *(chip.label for chip in self.chips)))

    @property
    def offered_filters(self) -> dict[str, Filter]:
        """All filters that people can set themselves."""
        actor = current_actor()
        return {
            name: one
            for name, one in self.source.filters.items()
            if one.label and (one.permission is None or allows(actor, one.permission))
        }

    @property
    def shown_filters(self) -> dict[str, Filter]:
        """Filters to show above the list. Those set to a key or to several values are shown only as chips."""
        chips = {name for name, value in self.filters.items() if read_key(value) or "," in value}
        return {name: one for name, one in self.offered_filters.items() if not one.is_rare and name not in chips}

    def has_value(self, name: str, value: str) -> bool:
        return value in self.filters.get(name, "").split(",")

    def values_in_words(self, name: str) -> list[tuple[str, str]]:
        """The values of a filter, each with its chip."""
        one, value = self.source.filters[name], self.filters.get(name, "")
        return [(part, one.chip(part, None)) for part in values_of(one, value)] if value else []

    @property
    def has_rare_filters(self) -> bool:
        return any(one.is_rare for one in self.source.filters.values())

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """The hidden fields of the search form."""
        return [(name, value) for name, value in self._arguments().items() if name != "q" and value]

    def sort_url(self, name: str) -> str:
        return self.url_with(sort=f"-{name}" if self.sort == name else name)

    @property
    def best_url(self) -> str | None:
        """The URL to sort by best match, if a search is sorted differently."""
        return self.url_with(sort=None) if self.has_best and self.sort != BEST else None

    @property
    def sizes(self) -> list[Link]:
        """The choices of rows per page."""
        return [Link(str(size), self.url_with(per_page=str(size)), size == self.per_page) for size in PER_PAGE]

    def sort_direction(self, name: str) -> str | None:
        return {name: "ascending", f"-{name}": "descending"}.get(self.sort)

    def url_with(self, **changes: str | None) -> str:
        """The URL of this list with some arguments changed, from its first page."""
        return self._url({**self._arguments(), **changes})

    def _arguments(self) -> dict[str, str | None]:
        return {
            "status": None if self.status == next(iter(self.source.tabs)) else self.status,
            "q": self.q or None,
            **self.filters,
            "sort": None if self.sort == self.default_sort else self.sort,
            "per_page": None if self.per_page == self.usual_per_page else str(self.per_page),
            **self.carried,
        }

    def _url(self, arguments: Mapping[str, str | None]) -> str:
        query = "&".join(_argument(name, value) for name, value in arguments.items() if value)
        return f"{self.path}?{query}" if query else self.path


@lru_cache(maxsize=512)
def _argument(name: str, value: str) -> str:
    """An argument of a URL. The two dozen links of a page differ in one or two of them."""
    return urlencode({name: value}, safe=",")
