"""The parts of a tab: the choices of the filter that divides it, with the number of rows in each."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

from portal.core.listing import Count, Link, Listing


def parts_of(listing: Listing) -> Sequence[Link]:
    """All rows of the tab, then each of its parts, with the number of rows in it under the list's other filters.

    Nothing for tabs without parts. Counts in one pass, except during a search or for a single part.
    """
    for name, one in listing.source.filters.items():
        if one.divides == listing.status and one.choices:
            choices = [choice for choice in one.choices() if choice[0] != one.whole]
            counts: list[Count | None] = [None] * (len(choices) + 1)
            if not listing.q and len(choices) > 1:
                arguments = dict(parse_qsl(urlsplit(listing.url_with(**{name: None})).query))
                whole = Listing(listing.source, arguments, listing.path)
                counts = [*whole.divided([one.condition(value) for value, _ in choices])]
            chosen = listing.filters.get(name, "")
            return [
                Link(label, listing.url_with(**{name: value}), value == ("" if chosen == one.whole else chosen), count)
                for (value, label), count in zip([("", "All"), *choices], counts, strict=True)
            ]
    return ()
