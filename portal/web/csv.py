"""Export tables as CSV without values that spreadsheets would run as formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from flask import Response, stream_with_context

from portal.core.actor import Actor, current_actor
from portal.core.db import acting_as
from portal.web.load import hold_export

FORMULA = re.compile(r"'*[=+\-@\t\r]")  # OWASP, CSV injection


def formula_safe(text: str) -> str:
    """The text, with an apostrophe before it if a spreadsheet would run it as a formula. `as_written` removes it."""
    return f"'{text}" if FORMULA.match(text) else text


def as_written(text: str) -> str:
    """The inverse of `formula_safe`."""
    return text[1:] if text.startswith("'") and FORMULA.match(text[1:]) else text


def csv_response(name: str, batches: Iterable[Iterable[Sequence[object]]]) -> Response:
    """Stream rows as `name`.csv, in UTF-8 with the byte order mark that spreadsheets need. None becomes empty.

    Batches are produced after the request has ended, still as the actor of the request.
    """
    response = Response(stream_with_context(_acting(current_actor(), batches)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return hold_export(response, current_actor().id)


def _acting(actor: Actor, batches: Iterable[Iterable[Sequence[object]]]) -> Iterator[str]:
    with acting_as(actor):
        yield from _lines(batches)


def _lines(batches: Iterable[Iterable[Sequence[object]]]) -> Iterator[str]:
    yield "\ufeff"
    for batch in batches:
        page = io.StringIO()
        writer = csv.writer(page, quoting=csv.QUOTE_ALL)  # some spreadsheets use other separators
        for row in batch:
            writer.writerow("" if cell is None else formula_safe(str(cell)) for cell in row)
        yield page.getvalue()
