"""Take a file in, and start the jobs of its import."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import IO, Any

from sqlalchemy import delete, func, or_, select, update

from portal.core.actor import current_actor
from portal.core.db import command, db, locked
from portal.core.errors import Conflict, Missing
from portal.core.keys import uuid7
from portal.core.retention import in_batches
from portal.core.text import showable
from portal.imports import dates, remembering, uploads
from portal.imports.files import Row
from portal.imports.importers import importer_of, store
from portal.imports.models import Import, ImportPart, ImportRow
from portal.imports.words import Refused, Unclear
from portal.jobs.commands import start
from portal.jobs.models import Job

LONGEST_NAME = 100
LONGEST_SHOWN = 60  # characters of a cell
NO_ROWS = "This file has a header row, but no {} below it."
NO_ADDRESS = "Enter at least one email address."
DATES, DATES_FOUND = "dates", "dates_found"  # options: the order that somebody chose, and the one that was found
STATEMENT_TIMEOUT = "5min"
UNSYNCHRONIZED = {"synchronize_session": False}


@command
def receive(
    name: str, file: IO[bytes], options: dict[str, Any], resource: str = "users", *, is_pasted: bool = False
) -> uuid.UUID:
    """Store a file with rows of a resource, then read and check them.

    Raises Refused if no settings could make it readable.
    """
    actor = current_actor()
    if actor.id is None:
        raise Missing
    one = Import(id=uuid7(), organization_id=actor.seen_by, owner_id=actor.id, name=name[:LONGEST_NAME])
    one.is_pasted, one.options, one.headings, one.fields = is_pasted, options, [], []
    one.resource = resource
    db.session.add(one)
    db.session.flush()
    uploads.keep(one, file)
    _read(one)
    return one.id


@command
def change(import_id: uuid.UUID, options: dict[str, Any], fields: Sequence[str] = ()) -> Import:
    """Read the file again with these options, and its columns as these fields if its headings stay the same.

    Raises Missing, Conflict, Refused.
    """
    one = _open(import_id)
    one.options = options
    _read(one, fields)
    return one


def _read(one: Import, fields: Sequence[str] = ()) -> None:
    """Read and check the first rows here, and the others in a job. Without fields, earlier choices are recalled."""
    db.session.execute(select(func.set_config("statement_timeout", STATEMENT_TIMEOUT, True)))
    rows = delete(ImportRow).where(ImportRow.import_id == one.id)
    db.session.execute(rows, execution_options=UNSYNCHRONIZED)
    some: list[Row] = []
    one.problem = None
    try:
        some = _first_rows(one, fields)
    except Unclear as unclear:
        one.problem = str(unclear)
    one.state, one.total, one.job_id = "read", 0, None
    if one.problem:
        return
    db.session.flush()
    importer = importer_of(one)
    is_within = store(one, list(map(importer.staging(one), itertools.count(1), some)))
    if not is_within or len(some) < uploads.batch_of(importer.batch):
        one.state = "checked"
        return
    title, total = f"Check of {one.name}", uploads.estimated(one)
    one.job_id = start("import check", title, {"import_id": str(one.id)}, total=total)
    db.session.get_one(Job, one.job_id).done = len(some)


def _first_rows(one: Import, fields: Sequence[str]) -> list[Row]:
    """Return the first rows of the file, and store how it was read. Raises Refused."""
    importer = importer_of(one)
    try:
        table = uploads.table_of(one, importer.words)
    except Unclear as unclear:
        one.encoding, one.delimiter, one.sample = unclear.encoding, unclear.delimiter, _cut(unclear.sample)
        one.headings, one.fields, one.form = [], [], ""
        raise
    one.form, one.encoding, one.delimiter, one.header = table.form, table.encoding, table.delimiter, table.header
    is_same = table.headings == one.headings and len(fields) == len(one.headings)
    one.headings, one.fields, one.sample = table.headings, table.fields, _cut(table.sample)
    if is_same:
        one.fields = list(fields)
    elif one.header:
        remembering.recall(one)
    some = list(itertools.islice(table.rows, uploads.batch_of(importer.batch)))
    if not some:
        raise Refused(NO_ADDRESS if one.is_pasted else NO_ROWS.format(importer.resource.plural))
    order = _order_of_dates(one, some)
    is_recalled = remembering.BY in one.options and order != dates.UNCLEAR  # what a file proves counts more
    one.options = {**one.options, DATES_FOUND: order, **({DATES: ""} if is_recalled else {})}
    return some


def _order_of_dates(one: Import, some: Sequence[Row]) -> str:
    """The order of day and month. If the first rows leave it open, all rows are read until one decides."""
    places = [place for place, field in enumerate(one.fields) if field in ("activates_on", "expires_on")]

    def days(rows: Iterable[Row]) -> Iterator[str]:
        return (cells[place] for _, cells in rows for place in places if place < len(cells))

    order = dates.order_of(days(some))
    return dates.order_of(days(uploads.table_of(one, importer_of(one).words).rows)) if order == dates.UNCLEAR else order


def _cut(rows: Sequence[Row]) -> list[Any]:
    """Rows with cells short enough for the page."""
    return [[line, [showable(cell[:LONGEST_SHOWN]) for cell in cells]] for line, cells in rows]


@command
def begin(import_id: uuid.UUID) -> uuid.UUID:
    """Start the import as a job. Raises Missing, Conflict."""
    one = _open(import_id)
    if one.state != "checked":
        raise Conflict(None, "The file has not been checked yet.")
    one.state = "importing"
    title = one.name if one.is_pasted else f"Import of {one.name}"
    one.job_id = start("import", title, {"import_id": str(one.id)}, total=one.total)
    return one.job_id


@command
def undo(import_id: uuid.UUID) -> uuid.UUID:
    """Start undoing the whole import as a job. Raises Missing, Conflict."""
    one = locked(select(Import).where(Import.id == import_id))
    job = db.session.get(Job, one.job_id) if one.job_id else None
    if one.state not in ("imported", "importing") or (job and job.is_open):
        raise Conflict(None, "This import can't be undone now.")
    one.state = "undoing"
    title = "Undo of the invitations" if one.is_pasted else f"Undo of the import of {one.name}"
    one.job_id = start("import undo", title, {"import_id": str(one.id)}, total=one.imported)
    return one.job_id


def _open(import_id: uuid.UUID) -> Import:
    """The import, locked, if it has not begun."""
    one = locked(select(Import).where(Import.id == import_id))
    job = db.session.get(Job, one.job_id) if one.job_id else None
    if one.state not in ("read", "checked") or (job and job.is_open):
        raise Conflict(None, "This import has already begun.")
    return one


def remove_old(before: datetime) -> int:
    """Remove files uploaded earlier than `before`, but remember what their columns mean."""
    return in_batches(lambda: _remove_old(before))


@command
def _remove_old(before: datetime) -> int:
    is_last = remembering.is_last()
    old = select(Import.id, is_last).where(Import.created_at < before, or_(Import.state != "removed", ~is_last))
    found = db.session.execute(old.limit(1)).first()
    if found is None:
        return 0
    for model in (ImportRow, ImportPart):
        db.session.execute(delete(model).where(model.import_id == found.id), execution_options=UNSYNCHRONIZED)
    kept: dict[str, Any] = {"state": "removed", "name": "", "sample": [], "job_id": None}
    changed = update(Import).values(kept) if found[1] else delete(Import)
    db.session.execute(changed.where(Import.id == found.id), execution_options=UNSYNCHRONIZED)
    return 1


def totals(import_id: uuid.UUID) -> dict[str, int]:
    """How many rows have each verdict."""
    counted = (
        select(ImportRow.verdict, func.count()).where(ImportRow.import_id == import_id).group_by(ImportRow.verdict)
    )
    return {verdict or "": many for verdict, many in db.session.execute(counted)}
