"""Take a file in, and start the jobs of its import."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import IO, Any

from sqlalchemy import delete, func, select

from portal.core.actor import current_actor
from portal.core.db import command, db, locked
from portal.core.errors import Conflict, Missing
from portal.core.keys import uuid7
from portal.core.retention import in_batches
from portal.imports import checking, uploads
from portal.imports.models import Import, ImportRow
from portal.imports.words import Refused
from portal.jobs.commands import start
from portal.jobs.models import Job

LONGEST_NAME = 100
NO_PEOPLE = "This file has a header row, but no people below it."
NO_ADDRESS = "Enter at least one email address."
STATEMENT_TIMEOUT = "5min"


@command
def receive(name: str, file: IO[bytes], options: dict[str, Any], *, is_pasted: bool = False) -> uuid.UUID:
    """Keep a file, and read and check its rows. Raises Refused for a file that can't be read."""
    actor = current_actor()
    if actor.id is None:
        raise Missing
    one = Import(id=uuid7(), organization_id=actor.seen_by, owner_id=actor.id, name=name[:LONGEST_NAME])
    one.is_pasted, one.options, one.headings, one.fields = is_pasted, options, [], []
    db.session.add(one)
    db.session.flush()
    uploads.keep(one, file)
    _read(one)
    return one.id


@command
def change(import_id: uuid.UUID, options: dict[str, Any], fields: Sequence[str] = ()) -> Import:
    """Read the file again with these options, and its columns as these fields. Raises Missing, Conflict, Refused."""
    one = _open(import_id)
    one.options = options
    _read(one, fields)
    return one


def _read(one: Import, fields: Sequence[str] = ()) -> None:
    """Read and check the first rows, and the others by a job."""
    db.session.execute(select(func.set_config("statement_timeout", STATEMENT_TIMEOUT, True)))
    rows = delete(ImportRow).where(ImportRow.import_id == one.id)
    db.session.execute(rows, execution_options={"synchronize_session": False})
    table = uploads.table_of(one)
    one.form, one.encoding, one.delimiter, one.headings = table.form, table.encoding, table.delimiter, table.headings
    one.fields = list(fields) if len(fields) == len(table.headings) else table.fields
    one.state, one.total, one.job_id = "read", 0, None
    some = list(map(checking.staging_of(one), itertools.count(1), itertools.islice(table.rows, uploads.BATCH)))
    if not some:
        raise Refused(NO_ADDRESS if one.is_pasted else NO_PEOPLE)
    db.session.flush()
    elsewhere = checking.store(one, some)
    if len(some) < uploads.BATCH:
        checking.finish(one, elsewhere)
        return
    title, total = f"Check of {one.name}", uploads.estimated(one)
    one.job_id = start("import check", title, {"import_id": str(one.id)}, total=total)
    job = db.session.get_one(Job, one.job_id)
    job.done, job.result = len(some), {"elsewhere": elsewhere}


@command
def begin(import_id: uuid.UUID) -> uuid.UUID:
    """Start the import as a job. Raises Missing, Conflict."""
    one = _open(import_id)
    if one.state != "checked":
        raise Conflict(None, "The file has not been checked yet.")
    one.state = "importing"
    one.job_id = start("import", f"Import of {one.name}", {"import_id": str(one.id)}, total=one.total)
    return one.job_id


@command
def undo(import_id: uuid.UUID) -> uuid.UUID:
    """Start undoing the whole import as a job. Raises Missing, Conflict."""
    one = locked(select(Import).where(Import.id == import_id))
    job = db.session.get(Job, one.job_id) if one.job_id else None
    if one.state not in ("imported", "importing") or (job and job.is_open):
        raise Conflict(None, "This import can't be undone now.")
    one.state = "undoing"
    title = f"Undo of the import of {one.name}"
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
    """Remove the files that were uploaded earlier than `before`."""
    return in_batches(lambda: _remove_old(before))


@command
def _remove_old(before: datetime) -> int:
    old = select(Import.id).where(Import.created_at < before).limit(1)
    gone = delete(Import).where(Import.id.in_(old)).returning(Import.id)
    return len(db.session.scalars(gone, execution_options={"synchronize_session": False}).all())


def totals(import_id: uuid.UUID) -> dict[str, int]:
    """How many rows have each verdict."""
    counted = (
        select(ImportRow.verdict, func.count()).where(ImportRow.import_id == import_id).group_by(ImportRow.verdict)
    )
    return {verdict or "": many for verdict, many in db.session.execute(counted)}
