"""Store the file of an import, and read its rows in batches."""

from __future__ import annotations

import io
import itertools
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Timer
from typing import IO, Any

from sqlalchemy import insert, select

from portal.core.db import db
from portal.imports.files import EMPTY, Row, Table, read_addresses, read_file
from portal.imports.models import Import, ImportPart
from portal.imports.words import Refused, Words

BATCH = 5_000
PART = 1_000_000  # bytes
KEPT_OPEN = 60.0  # seconds that a file stays open between batches
READING = ("encoding", "delimiter", "header")  # the options that say how
REMOVED = "This file was deleted because it may mention someone who was permanently deleted. Upload it again."

Staged = tuple[Any, ...]  # what is stored of a row
Staging = Callable[[int, Row], Staged]  # from its number and cells
# By job: how many rows are done, an iterator of those left, the batch being read ahead, and what closes the file.
_open: dict[uuid.UUID, tuple[int, Iterator[Staged], Future[list[Staged]], Timer]] = {}
_reader = ThreadPoolExecutor(1, "imports")


def keep(one: Import, file: IO[bytes]) -> None:
    """Store the file in parts. Raises Refused if it is empty."""
    for number in itertools.count(1):
        if not (content := file.read(PART)):
            if number == 1:
                raise Refused(EMPTY)
            return
        part = {"import_id": one.id, "number": number, "organization_id": one.organization_id, "content": content}
        db.session.execute(insert(ImportPart), part)


def kept(one: Import) -> io.BytesIO:
    """The stored file, in memory."""
    parts = select(ImportPart.content).where(ImportPart.import_id == one.id).order_by(ImportPart.number)
    return io.BytesIO(b"".join(db.session.scalars(parts)))


def table_of(one: Import, words: Words) -> Table:
    """The file, read with the options of the import. Raises Refused."""
    file = kept(one)
    if not file.getbuffer():
        raise Refused(REMOVED)
    if one.is_pasted:
        return read_addresses(file.read().decode())
    return read_file(file, *(one.options.get(name, "") for name in READING), words=words)


def batch_of(most: int | None) -> int:
    """How many rows are done in one transaction, given the most that their importer wants."""
    return min(BATCH, most or BATCH)


def rows_after(one: Import, job_id: uuid.UUID, done: int, staged: Staging, size: int, words: Words) -> list[Staged]:
    """The batch after the first `done` rows of the file, staged for a job. Raises Refused.

    The following batch is read ahead while PostgreSQL stores this one.
    """
    found = _open.pop(job_id, None)
    if found and found[0] == done:
        _, rows, ahead, closing = found
        closing.cancel()
        batch = ahead.result()
    else:
        rows = itertools.starmap(staged, enumerate(itertools.islice(table_of(one, words).rows, done, None), done + 1))
        batch = _batch(rows, size)
    if len(batch) == size:
        closing = Timer(KEPT_OPEN, _open.pop, (job_id, None))
        closing.daemon = True
        closing.start()
        _open[job_id] = done + size, rows, _reader.submit(_batch, rows, size), closing
    return batch


def _batch(rows: Iterator[Staged], size: int) -> list[Staged]:
    return list(itertools.islice(rows, size))


def estimated(one: Import) -> int | None:
    """Estimate the number of rows by the lines of a text file. None for workbooks."""
    if not one.encoding:
        return None
    return kept(one).getvalue().count(b"\n")
