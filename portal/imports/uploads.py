"""Keep the file of an import, and read its rows in batches."""

from __future__ import annotations

import io
import itertools
import uuid
from collections.abc import Iterator
from typing import IO, Any

from sqlalchemy import func, insert, select

from portal.core.db import db
from portal.imports.files import Row, Table, read_addresses, read_file
from portal.imports.models import Import, ImportPart
from portal.imports.words import Refused

BATCH = 5_000
PART = 1_000_000  # bytes
READING = ("encoding", "delimiter", "header")  # the options that say how
REMOVED = "The file was removed together with somebody whom it mentions."

# By job: how many rows a worker has read, and those that follow. At most one file stays open between batches.
_open: dict[uuid.UUID, tuple[int, Iterator[Row]]] = {}


def keep(one: Import, file: IO[bytes]) -> None:
    """Store the file in parts."""
    for number in itertools.count(1):
        if not (content := file.read(PART)):
            return
        part = {"import_id": one.id, "number": number, "organization_id": one.organization_id, "content": content}
        db.session.execute(insert(ImportPart), part)


class _KeptFile(io.RawIOBase):
    """The stored file of an import. Reads a part at a time."""

    def __init__(self, import_id: uuid.UUID) -> None:
        self._import_id, self._position, self._number, self._content = import_id, 0, 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = func.sum(func.length(ImportPart.content))
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        if start is None:
            start = db.session.scalar(select(size).where(ImportPart.import_id == self._import_id)) or 0
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        before, place = divmod(self._position, PART)
        if self._number != before + 1:
            self._number = before + 1
            part = ImportPart.import_id == self._import_id, ImportPart.number == self._number
            self._content = db.session.scalar(select(ImportPart.content).where(*part)) or b""
        some = self._content[place : place + len(buffer)]
        buffer[: len(some)] = some
        self._position += len(some)
        return len(some)


def kept(one: Import) -> io.BufferedReader:
    """The stored file."""
    return io.BufferedReader(_KeptFile(one.id))


def table_of(one: Import) -> Table:
    """The file, read as its options say. Raises Refused."""
    file = kept(one)
    if one.state != "read" and not file.peek(1):
        raise Refused(REMOVED)
    if one.is_pasted:
        return read_addresses(file.read().decode())
    return read_file(file, *(one.options.get(name, "") for name in READING))


def rows_after(one: Import, job_id: uuid.UUID, done: int) -> list[Row]:
    """The next rows of the file after the first ones, for a job. Raises Refused."""
    position, rows = _open.pop(job_id, (-1, iter(())))
    if position != done:
        rows = itertools.islice(table_of(one).rows, done, None)
    batch = list(itertools.islice(rows, BATCH))
    if len(batch) == BATCH:
        _open.clear()
        _open[job_id] = done + BATCH, rows
    return batch


def estimated(one: Import) -> int | None:
    """About how many rows the file has: the lines of text. None for workbooks."""
    if not one.encoding:
        return None
    file = kept(one)
    return sum(part.count(b"\n") for part in iter(lambda: file.read(PART), b""))
