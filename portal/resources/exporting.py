"""Download every row of a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response

from portal.core.clock import now
from portal.core.counts import Count
from portal.core.exports import Kind, exported, headings
from portal.core.history import record
from portal.core.listing import Listing
from portal.resources.actions import EXPORT
from portal.resources.resource import Resource
from portal.web.csv import download, lines
from portal.web.jinja import count

MIMETYPES: Mapping[Kind, str] = {"csv": "text/csv", "jsonl": "application/jsonl"}


def export(resource: Resource[Any], listing: Listing, kind: Kind) -> Response:
    """Stream the rows, and record that in the history."""
    rows = _described(resource, listing)
    return download(
        f"{resource.plural}-{now():%Y-%m-%d}.{kind}",
        MIMETYPES[kind],
        _parts(resource, listing, kind),
        recording=lambda: record(EXPORT, details={"rows": rows}),
    )


def _parts(resource: Resource[Any], listing: Listing, kind: Kind) -> Iterator[bytes]:
    columns = resource.exported()
    if kind == "csv":
        yield from lines([[headings(columns)]])
    yield from exported(listing, columns, kind)


def _described(resource: Resource[Any], listing: Listing) -> str:
    """`513 people (Deactivated, “martin”, Role: Admin)`: the number of rows, and how they were chosen."""
    tab = [listing.tab.label] if listing.status != next(iter(listing.source.tabs)) else []
    search = [f"“{listing.q}”"] if listing.q else []
    chosen = ", ".join((*tab, *search, *(chip.label for chip in listing.chips)))
    (total,) = Listing.totals(listing)
    number = f"{count(total)} {resource.noun if total == Count(1) else resource.plural}"
    return f"{number} ({chosen})" if chosen else number
