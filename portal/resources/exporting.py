"""Download every row of a list, with all columns or chosen ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flask import Response
from sqlalchemy import DateTime
from werkzeug.exceptions import BadRequest

from portal.core.clock import now
from portal.core.counts import Count
from portal.core.errors import Conflict
from portal.core.exports import exported, headings, name_of
from portal.core.history import record
from portal.core.listing import Listing
from portal.resources.actions import EXPORT
from portal.resources.arranging import arranged
from portal.resources.resource import Resource
from portal.web.csv import download, lines
from portal.web.jinja import count
from portal.web.xlsx import MIMETYPE, MOST_ROWS, workbook

MIMETYPES: Mapping[str, str] = {
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "xlsx": MIMETYPE,
}
TOO_MANY = "A sheet holds {:,} rows, and this list has {}. Add a filter, or download it as CSV."


def export(resource: Resource[Any], listing: Listing, kind: str, chosen: Sequence[str] = ()) -> Response:
    """Stream the rows, and record that in the history."""
    columns = _columns(resource, listing, chosen)
    (total,) = Listing.totals(listing)
    if kind == "xlsx" and total.value > MOST_ROWS:
        raise Conflict(None, TOO_MANY.format(MOST_ROWS, count(total)))
    details = {"rows": _described(resource, listing, total)}
    return download(
        f"{resource.plural}-{now():%Y-%m-%d}.{kind}",
        MIMETYPES[kind],
        _parts(listing, columns, kind),
        recording=lambda: record(EXPORT, details=details),
    )


def choices(resource: Resource[Any], listing: Listing) -> list[tuple[str, str, bool]]:
    """The columns to choose from: their names in URLs, their headings, and whether the list shows them."""
    shown = _columns(resource, listing, ())
    return [(name_of(heading), heading, heading in shown) for heading in resource.exported()]


def _columns(resource: Resource[Any], listing: Listing, chosen: Sequence[str]) -> Mapping[str, Any]:
    """The chosen columns, in their usual order; else those of the list as it was arranged, in that order; else all."""
    every = resource.exported()
    columns = {heading: value for heading, value in every.items() if name_of(heading) in chosen}
    if chosen and not columns:
        raise BadRequest
    if not columns and listing.columns:
        shown = (heading for one in arranged(listing, resource.columns) for heading in one.exported or (one.label,))
        columns = {heading: every[heading] for heading in shown if heading in every}
    return columns or every


def _parts(listing: Listing, columns: Mapping[str, Any], kind: str) -> Iterator[bytes]:
    if kind == "xlsx":
        yield from workbook(headings(columns), _rows(listing, columns))
    elif kind == "jsonl":
        yield from exported(listing, columns, "jsonl")
    else:
        yield from lines([[headings(columns)]])
        yield from exported(listing, columns, "csv")


def _rows(listing: Listing, columns: Mapping[str, Any]) -> Iterator[list[object]]:
    """The rows as values. Times are in UTC, as the headings say."""
    times = [place for place, value in enumerate(columns.values()) if isinstance(value.type, DateTime)]
    for part in exported(listing, columns, "jsonl"):
        for line in part.splitlines():
            values = list(json.loads(line).values())
            for place in times:
                if text := values[place]:
                    values[place] = datetime.fromisoformat(text).astimezone(UTC)
            yield values


def _described(resource: Resource[Any], listing: Listing, total: Count) -> str:
    """`513 people (Deactivated, “martin”, Role: Admin)`: the number of rows, and how they were chosen."""
    number = f"{count(total)} {resource.noun if total == Count(1) else resource.plural}"
    return f"{number} ({listing.in_words})" if listing.in_words else number
