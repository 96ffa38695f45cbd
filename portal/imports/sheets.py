"""Read XLSX and ODS workbooks. What they contain is measured before anything is unpacked or parsed."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import IO, Any

from python_calamine import CalamineError, load_workbook

from portal.imports.words import Refused

MOST_UNPACKED = 100_000_000
MOST_PARTS = 1_000
CHUNK = 1_000_000
UNREADABLE = "This workbook can't be read. Open it in a spreadsheet program, and save it again as .xlsx or CSV."
TOO_LARGE = "This workbook is too large when unpacked. Export the people as CSV."
ENTITY = re.compile(rb"<!(?:DOCTYPE|ENTITY)")


def is_sheet(start: bytes) -> bool:
    return start.startswith(b"PK\x03\x04")


def rows_of_sheet(file: IO[bytes], *, most_columns: int) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet that has any, each with its line. Raises Refused."""
    _check(file)
    file.seek(0)
    try:
        workbook = load_workbook(file)
        for name in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(name)
            if sheet.height:
                if sheet.width > most_columns:
                    raise Refused(f"The sheet {name[:50]} has more than {most_columns} columns.")
                offset = sheet.start[0] if sheet.start else 0
                for number, row in enumerate(sheet.iter_rows(), offset + 1):
                    yield number, [_text(cell) for cell in row]
                return
    except (CalamineError, OSError, ValueError, KeyError):
        raise Refused(UNREADABLE) from None


def _check(file: IO[bytes]) -> None:
    """Refuse bombs: unpack every part up to a limit, whatever its declared size, and refuse XML with entities."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                raise Refused(TOO_LARGE)
            left = MOST_UNPACKED
            for part in parts:
                left = _measured(archive, part, left)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        raise Refused(UNREADABLE) from None


def _measured(archive: zipfile.ZipFile, part: zipfile.ZipInfo, left: int) -> int:
    with archive.open(part) as unpacked:
        before = b""
        while chunk := unpacked.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise Refused(TOO_LARGE)
            if ENTITY.search(before[-20:] + chunk):
                raise Refused(UNREADABLE)
            before = chunk
    return left


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    text = str(cell)
    if "\x00" in text:
        raise Refused(UNREADABLE)
    return text
