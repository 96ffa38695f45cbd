"""Read XLSX and ODS workbooks, in a process whose memory and time are limited."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from typing import IO

from portal.imports.words import Refused

READER = [sys.executable, "-I", str(Path(__file__).with_name("sheet_process.py"))]
CHUNK = 1_000_000
TOO_LARGE = "This workbook is too large. Export it as CSV."


def is_sheet(start: bytes) -> bool:
    return start.startswith(b"PK\x03\x04")


def rows_of_sheet(file: IO[bytes], most_columns: int, most_rows: int) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet that has any, each with its line. Raises Refused."""
    reader = Popen([*READER, str(most_columns), str(most_rows)], stdin=PIPE, stdout=PIPE, stderr=DEVNULL)  # noqa: S603
    assert reader.stdin  # noqa: S101 -- it is a pipe
    assert reader.stdout  # noqa: S101
    try:
        with suppress(BrokenPipeError), reader.stdin:
            while chunk := file.read(CHUNK):
                reader.stdin.write(chunk)
        for line in reader.stdout:
            found = json.loads(line)
            if isinstance(found, str):
                raise Refused(found)
            yield found[0], found[1]
        if reader.wait():
            raise Refused(TOO_LARGE)
    finally:  # also if the caller stops before the last row
        reader.kill()
        reader.wait()
        reader.stdout.close()
