"""The parts of a tab: the choices of the filter that divides it, with the number of rows in each."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

from portal.core.listing import Link, Listing


def parts_of(listing: Listing) -> Sequence[Link]:
    """All rows of the tab, then each of its parts, with the number of rows in it under the list's other filters.

    Nothing for tabs without parts. Counts in one statement, except during a search or for a single part.
    """
    for name, one in listing.source.filters.items():
        if one.divides == listing.status and one.choices:
            choices = [("", "All"), *(choice for choice in one.choices() if choice[0] != one.whole)]
            lists = [_sibling(listing, name, value) for value, _ in choices]
            is_counted = not listing.q and len(lists) > 2
            counts = Listing.totals(*lists) if is_counted else [None] * len(lists)
            chosen = listing.filters.get(name, "")
            return [
                Link(label, other.url, value == ("" if chosen == one.whole else chosen), count)
                for (value, label), other, count in zip(choices, lists, counts, strict=True)
            ]
    return ()


def _sibling(listing: Listing, name: str, value: str) -> Listing:
    arguments = dict(parse_qsl(urlsplit(listing.url_with(**{name: value})).query))
    return Listing(listing.source, arguments, listing.path)
