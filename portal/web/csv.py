"""Export tables as CSV without values that spreadsheets would run as formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from flask import Response, request, stream_with_context

from portal.core.actor import Actor, current_actor, is_read_only
from portal.core.db import acting_as
from portal.core.errors import ReadOnly
from portal.core.exports import FORMULA, NUMBER
from portal.web.guards import NOTHING_CHANGES
from portal.web.load import hold_export

MARK = "\ufeff"  # without it, spreadsheets don't read UTF-8


def formula_safe(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would run it as a formula. `as_written` removes it."""
    return f"'{text}" if _is_formula(text) else text


def as_written(text: str) -> str:
    """The inverse of `formula_safe`."""
    return text[1:] if text.startswith("'") and _is_formula(text[1:]) else text


def _is_formula(text: str) -> bool:
    begins = text.lstrip("'")[:1]
    return begins != "" and begins in FORMULA and re.fullmatch(NUMBER, text) is None


def csv_response(name: str, batches: Iterable[Iterable[Sequence[object]]]) -> Response:
    """Stream rows as `name`.csv. None becomes empty."""
    return download(f"{name}.csv", "text/csv", lines(batches))


def download(
    filename: str, mimetype: str, parts: Iterable[bytes], *, recording: Callable[[], None] = lambda: None
) -> Response:
    """Stream a file. Its parts are produced after the request has ended, still as the actor of the request.

    `recording` adds the download to the history; a HEAD request downloads nothing. Raises ReadOnly while
    viewing the portal as another person, to whom the history would attribute the download.
    """
    if is_read_only():
        raise ReadOnly(NOTHING_CHANGES)
    response = Response(stream_with_context(_acting(current_actor(), parts)), mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    if request.method == "HEAD":
        return response
    hold_export(response, current_actor().id)
    try:
        recording()
    except BaseException:
        response.close()  # else it would occupy its slot forever
        raise
    return response


def _acting(actor: Actor, parts: Iterable[bytes]) -> Iterator[bytes]:
    with acting_as(actor):
        yield from parts


def lines(batches: Iterable[Iterable[Sequence[object]]]) -> Iterator[bytes]:
    """Rows as lines of CSV."""
    yield MARK.encode()
    for batch in batches:
        page = io.StringIO()
        writer = csv.writer(page, quoting=csv.QUOTE_ALL)  # some spreadsheets use other separators
        for row in batch:
            writer.writerow("" if cell is None else formula_safe(str(cell)) for cell in row)
        yield page.getvalue().encode()
