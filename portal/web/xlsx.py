"""Write a workbook with one sheet row by row, in a temporary file: neither memory nor formulas come from its values."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from xlsxwriter import Workbook

MIMETYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 1_048_574  # of the 1,048,576 of a sheet: one has the headings, one is kept for REST
LONGEST = 32_767  # characters in a cell
SENT_AT_ONCE = 65_536
FIRST_YEAR = 1900  # spreadsheets know no earlier dates
REST = "More rows don't fit into a sheet. Download the list as CSV."
OPTIONS = {"constant_memory": True, "remove_timezone": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"}


def workbook(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The file in parts, once it is complete: its directory is at its end. Texts stay texts, whatever they begin with.

    Instead of rows that don't fit into a sheet, a sentence says so.
    """
    with tempfile.TemporaryFile() as file:
        book = Workbook(file, OPTIONS)
        sheet = book.add_worksheet()
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(headings) - 1, 22)
        bold = book.add_format({"bold": True})
        for place, heading in enumerate(headings):
            sheet.write_string(0, place, heading, bold)
        for number, row in enumerate(rows, 1):
            if number > MOST_ROWS:
                sheet.write_string(number, 0, REST)
                break
            for place, value in enumerate(row):
                _write(sheet, number, place, value)
        book.close()
        file.seek(0)
        while part := file.read(SENT_AT_ONCE):
            yield part


def _write(sheet: Any, number: int, place: int, value: object) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(number, place, value)
    elif isinstance(value, int | float):
        sheet.write_number(number, place, value)
    elif isinstance(value, datetime) and value.year >= FIRST_YEAR:
        sheet.write_datetime(number, place, value.replace(microsecond=0))
    elif value is not None:
        sheet.write_string(number, place, str(value)[:LONGEST])
