"""Read a workbook in a separate process, because a few bytes can claim billions of cells.

The process reads XLSX or ODS from standard input. Its arguments are the highest numbers of columns and rows allowed.
For each row with content of the first sheet that has any, it writes a line of JSON: the row's number and cells, or
the reason if the workbook is refused. `sheets.py` runs it, without the rest of the portal.
"""

from __future__ import annotations

import io
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from typing import IO, Any

from python_calamine import CalamineError, load_workbook

MOST_UNPACKED = 100_000_000
MOST_PARTS = 1_000
MOST_MEMORY = 256_000_000  # bytes of address space; Python itself takes about 40 million
MOST_SECONDS = 5  # of processor time, until the first row
MOST_SECONDS_IN_ALL = 120
CHUNK = 1_000_000
UNREADABLE = "This workbook can't be read. Open it in a spreadsheet program, and save it again as .xlsx or CSV."
TOO_LARGE = "This workbook is too large. Export it as CSV."
TOO_WIDE = "The sheet {} has more than {} columns."
TOO_LONG = "The sheet {} has more than {:,} rows. Split it into several files."
ENTITY = re.compile(rb"<!(?:DOCTYPE|ENTITY)")


class Unsuitable(Exception):
    """The workbook is refused. The message is a sentence for the person who uploaded it."""


def rows(file: IO[bytes], most_columns: int, most_rows: int) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet that has any, each with its line. Raises Unsuitable."""
    check(file)
    file.seek(0)
    try:
        workbook = load_workbook(file)
        for name in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(name)
            if sheet.height:
                if sheet.width > most_columns:
                    raise Unsuitable(TOO_WIDE.format(name[:50], most_columns))
                if (sheet.start or (0, 0))[0] + sheet.height > most_rows:
                    raise Unsuitable(TOO_LONG.format(name[:50], most_rows))
                for number, row in enumerate(sheet.iter_rows(), 1):
                    if any(cell != "" for cell in row):
                        yield number, [_text(cell) for cell in row]
                return
    except (CalamineError, OSError, ValueError, KeyError):
        raise Unsuitable(UNREADABLE) from None


def check(file: IO[bytes]) -> None:
    """Refuse zip bombs: unpack every part up to a limit, whatever its declared size, and refuse XML with entities."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                raise Unsuitable(TOO_LARGE)
            left = MOST_UNPACKED
            for part in parts:
                left = _measured(archive, part, left)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError):
        raise Unsuitable(UNREADABLE) from None


def _measured(archive: zipfile.ZipFile, part: zipfile.ZipInfo, left: int) -> int:
    with archive.open(part) as unpacked:
        before = b""
        while chunk := unpacked.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise Unsuitable(TOO_LARGE)
            if ENTITY.search(before[-20:] + chunk):
                raise Unsuitable(UNREADABLE)
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
        raise Unsuitable(UNREADABLE)
    return text


def _write(found: object) -> None:
    sys.stdout.write(f"{json.dumps(found)}\n")


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS_IN_ALL))
    is_read = False
    try:
        for one in rows(io.BytesIO(sys.stdin.buffer.read()), int(sys.argv[1]), int(sys.argv[2])):
            if not is_read:
                resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS_IN_ALL, MOST_SECONDS_IN_ALL))
            is_read = True
            _write(one)
    except Unsuitable as unsuitable:
        _write(str(unsuitable))
    except MemoryError:
        _write(TOO_LARGE)


if __name__ == "__main__":
    main()
