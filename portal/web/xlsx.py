"""Write a workbook with one sheet row by row: memory stays constant, and no value becomes a formula.

XlsxWriter makes a workbook with the headings, and rows are written into its sheet while it is sent: XlsxWriter itself
would write nothing before the last row. No program opens an incomplete file, because the directory comes last. Only
processes that write a workbook load XlsxWriter, which takes 2 MiB of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

MIMETYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 1_048_574  # of the 1,048,576 of a sheet: one has the headings, one is kept for REST
MOST_BYTES = 2_000_000_000  # of the sheet: above 2 GiB the archive needs extensions that not every program reads
LONGEST = 32_767  # characters in a cell
AT_ONCE = 500  # rows
LEVEL = 1  # of compression: higher ones would take longer than everything else
FIRST_YEAR = 1900  # spreadsheets have no earlier dates,
DAY_0, LEAP_DAY = datetime(1899, 12, 31, tzinfo=UTC), 60  # and count a 29 February 1900, which never was
SECONDS_A_DAY = 86_400
REST = "More rows don't fit into a sheet. Download the list as CSV."
SHEET, DIMENSION = "xl/worksheets/sheet1.xml", rb"<dimension [^>]*/>"
SAMPLE = rb'<row r="2".*? s="(\d+)".*</row>'
# Characters with a meaning in XML or, as in _x0041_, in workbooks, and those that XML can't contain.
SPECIAL = re.compile(r"[&<>]|_(?=x[0-9a-fA-F]{4}_)|[\x00-\x08\x0b-\x1f\ufffe\uffff]")
WRITTEN = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def workbook(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The file in parts. Texts stay texts, whatever they begin with.

    Instead of rows that don't fit into a sheet, a sentence says so.
    """
    sent = _Sent()
    with ZipFile(BytesIO(_empty(headings))) as empty, ZipFile(sent, "w", ZIP_DEFLATED, compresslevel=LEVEL) as file:
        for name in empty.namelist():
            if name != SHEET:
                file.writestr(name, empty.read(name))
        begin, style, end = _around(empty.read(SHEET))
        with file.open(SHEET, "w") as sheet:
            sheet.write(begin)
            yield sent.taken()
            for part in _parts(rows, len(headings), style):
                sheet.write(part)
                yield sent.taken()
            sheet.write(end)
    yield sent.taken()


class _Sent(BytesIO):
    """What was written since it was last taken. It isn't seekable, so ZipFile writes sizes after the data."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    def taken(self) -> bytes:
        part = self.getvalue()
        self.seek(0)
        self.truncate()
        return part


def _empty(headings: Sequence[str]) -> bytes:
    """A workbook with the headings, which stay visible, and one sample time."""
    file = BytesIO()
    with import_module("xlsxwriter").Workbook(file, {"constant_memory": True, "remove_timezone": True}) as book:
        bold, time = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet = book.add_worksheet()
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(headings) - 1, 22)
        for place, heading in enumerate(headings):
            sheet.write_string(0, place, heading, bold)
        sheet.write_datetime(1, 0, DAY_0.replace(year=2000), time)
    return file.getvalue()


def _around(sheet: bytes) -> tuple[bytes, str, bytes]:
    """The XML before the sample, the number of its format, and the XML after it."""
    sample = re.search(SAMPLE, re.sub(DIMENSION, b"", sheet), re.DOTALL)
    assert sample  # noqa: S101 -- it was written above
    return sample.string[: sample.start()], sample[1].decode(), sample.string[sample.end() :]


def _parts(rows: Iterable[Sequence[object]], width: int, style: str) -> Iterator[bytes]:
    """The rows as XML, several at a time."""
    utility = import_module("xlsxwriter.utility")
    columns = [utility.xl_col_to_name(place) for place in range(width)]
    part, size = list[str](), 0
    for number, row in enumerate(rows, 2):
        is_full = number > MOST_ROWS + 1 or size > MOST_BYTES
        values = zip(columns, (REST,) if is_full else row, strict=False)
        cells = "".join([_cell(column, number, value, style) for column, value in values])
        part.append(f'<row r="{number}">{cells}</row>')
        if is_full:
            break
        if len(part) == AT_ONCE:
            written = "".join(part).encode()
            size += len(written)
            yield written
            part.clear()
    yield "".join(part).encode()


def _cell(column: str, number: int, value: Any, style: str) -> str:
    if isinstance(value, str):
        if value[:1] > " " and value[-1] > " " and SPECIAL.search(value) is None and len(value) <= LONGEST:
            return f'<c r="{column}{number}" t="inlineStr"><is><t>{value}</t></is></c>'
        text = SPECIAL.sub(lambda found: WRITTEN.get(found[0]) or f"_x{ord(found[0]):04X}_", value[:LONGEST])
        return f'<c r="{column}{number}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{column}{number}" t="b"><v>{value:d}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{column}{number}"><v>{value!r}</v></c>'
    if isinstance(value, datetime) and value.year >= FIRST_YEAR:
        return f'<c r="{column}{number}" s="{style}"><v>{_days(value):.10f}</v></c>'
    return _cell(column, number, str(value), style)


def _days(moment: datetime) -> float:
    """The time as spreadsheets count it, in whole seconds."""
    days = (moment.replace(microsecond=0) - DAY_0).total_seconds() / SECONDS_A_DAY
    return days + (days >= LEAP_DAY)
