"""Write the refused rows of an import in the format of its file, with the reasons in the last column."""

from __future__ import annotations

import io
import re
from codecs import BOM_UTF8, getincrementalencoder
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import PurePath
from typing import Any

from flask import Response
from sqlalchemy import select

from portal.core.db import db
from portal.core.exports import FORMULA
from portal.imports import uploads
from portal.imports.files import SAMPLE_BYTES, Row, decoded
from portal.imports.importers import importer_of
from portal.imports.models import Import, ImportRow
from portal.imports.remembering import REASON
from portal.web import xlsx
from portal.web.csv import download, formula_safe

AT_ONCE = 1_000  # rows
HIDDEN = re.compile(rf"[,;\t|]\s*[{re.escape(FORMULA)}]")  # a formula after any delimiter
ENDINGS = (".csv", ".tsv", ".txt")


def response(one: Import) -> Response:
    """The download: text in the format of the file, workbooks as XLSX. Importing it again ignores the reasons.

    Raises Refused if the file was removed.
    """
    rows = _rows(one, islice(uploads.table_of(one, importer_of(one).words).rows, one.total))
    if not one.encoding:
        return download("refused.xlsx", xlsx.MIMETYPE, xlsx.workbook(_headings(one), rows))
    ending = PurePath(one.name).suffix.lower()
    return download(f"refused{ending if ending in ENDINGS else '.csv'}", "text/csv", _text(one, rows))


def _headings(one: Import) -> list[str]:
    """The headings of the file. Without a header row, names by which its columns are recognized again."""
    if one.header:
        return [*one.headings, REASON]
    named, labels = zip(one.fields, one.headings, strict=True), importer_of(one).words.fields
    return [*(labels.get(field) or heading for field, heading in named), REASON]


def _rows(one: Import, rows: Iterator[Row]) -> Iterator[list[str]]:
    """The refused rows with their reasons."""
    number, width = 0, len(one.headings)
    while batch := list(islice(rows, AT_ONCE)):
        between = ImportRow.number.between(number + 1, number + len(batch)), ImportRow.verdict == "refused"
        found = select(ImportRow.number, ImportRow.reason).where(ImportRow.import_id == one.id, *between)
        reasons: dict[int, Any] = {at: reason for at, reason in db.session.execute(found)}
        for at, (_, cells) in enumerate(batch, number + 1):
            if at in reasons:
                yield [*cells[:width], *[""] * (width - len(cells)), reasons[at] or "", *cells[width:]]
        number += len(batch)


def _text(one: Import, rows: Iterator[list[str]]) -> Iterator[bytes]:
    start = uploads.kept(one).read(SAMPLE_BYTES)
    encoder = getincrementalencoder(one.encoding)(errors="replace")
    page = io.StringIO()
    is_quoted, end = _style(decoded(start, one.encoding) or "", one.delimiter)

    def write(row: Sequence[str]) -> None:
        cells = [_cell(formula_safe(text), one.delimiter, is_quoted=is_quoted) for text in row]
        page.write(one.delimiter.join(cells if any(cells) else ['""']) + end)

    yield BOM_UTF8 if start.startswith(BOM_UTF8) else b""
    write(_headings(one))
    while True:
        yield encoder.encode(page.getvalue())
        page.seek(0)
        page.truncate()
        if not (batch := list(islice(rows, AT_ONCE))):
            return
        for row in batch:
            write(row)


def _style(start: str, delimiter: str) -> tuple[bool, str]:
    """Whether the file quotes every cell, and how it ends its lines."""
    quoted = start.lstrip().startswith('"') and start.count(f'"{delimiter}"') > start.count(delimiter) / 2
    return quoted, "\r\n" if "\r\n" in start else "\n"


def _cell(text: str, delimiter: str, *, is_quoted: bool) -> str:
    """A cell, quoted if it must be, or if a program that splits at another delimiter would see a formula in it."""
    if is_quoted or delimiter in text or any(one in text for one in '"\r\n') or HIDDEN.search(text):
        return '"{}"'.format(text.replace('"', '""'))
    return text
