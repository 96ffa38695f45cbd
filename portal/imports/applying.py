"""The jobs of imports: check the rows, create and update what they describe, and undo that.

Each batch is one transaction.
"""

from __future__ import annotations

import uuid

from flask import url_for
from sqlalchemy import func, select

from portal.core.actor import current_actor
from portal.core.db import db
from portal.core.errors import Conflict
from portal.core.policy import allows
from portal.imports import uploads
from portal.imports.importer import Importer, rows_between
from portal.imports.importers import importer_of, store
from portal.imports.models import Import, ImportRow
from portal.imports.words import Refused
from portal.jobs.kinds import JobKind
from portal.jobs.models import Job
from portal.jobs.running import NO_OWNER
from portal.users.permissions import USERS

GONE = "The import was removed."
SUPERSEDED = "Something else was done with this import in the meantime."


def page(job: Job) -> str:
    return url_for("imports.show", id=job.arguments["import_id"])


def check(job: Job) -> bool:
    """Read and check the next batch, without writing what it describes."""
    one, importer = _import(job, "read", "create")
    size = uploads.batch_of(importer.batch)
    try:
        rows = uploads.rows_after(one, job.id, job.done, importer.staging(one), size, importer.words)
    except Refused as refused:
        raise Conflict(None, str(refused)) from refused
    is_within = not rows or store(one, rows)
    job.advance(len(rows))
    if is_within and len(rows) == size:
        return True
    job.total = job.done
    one.state = "checked"
    return False


def apply(job: Job) -> bool:
    """Check the next batch again, then create and update what it describes."""
    one, importer = _import(job, "importing", "create")
    first, last = job.done + 1, min(job.done + uploads.batch_of(importer.batch), one.total)
    importer.write(one, first, last)
    one.imported = last
    job.advance(last - first + 1, failed=_count(one, first, last, "refused"))
    if last >= one.total:
        one.state = "imported"
    return last < one.total


def undo(job: Job) -> bool:
    """Undo the next batch."""
    one, importer = _import(job, "undoing", "delete")
    first, last = job.done + 1, min(job.done + uploads.batch_of(importer.batch), one.imported)
    undone = importer.undo(one, first, last)
    job.advance(last - first + 1, failed=_count(one, first, last, "create", "update") - undone)
    if last >= one.imported:
        one.state = "undone"
    return last < one.imported


def _count(one: Import, first: int, last: int, *verdicts: str) -> int:
    counted = select(func.count()).select_from(ImportRow).where(*rows_between(one.id, first, last, *verdicts))
    return db.session.scalar(counted) or 0


def _import(job: Job, state: str, permission: str) -> tuple[Import, Importer]:
    """The import, if this is still its job, and its owner may still do this."""
    one = db.session.get(Import, uuid.UUID(job.arguments["import_id"]), populate_existing=True)
    if one is None:
        raise Conflict(None, GONE)
    if one.job_id != job.id or one.state != state:
        raise Conflict(None, SUPERSEDED)
    importer = importer_of(one)
    if not allows(current_actor(), importer.needs(permission)):
        raise Conflict(None, NO_OWNER)
    return one, importer


JOBS = (
    JobKind("import check", USERS.create, check, page, noun="row"),
    JobKind("import", USERS.create, apply, page, noun="row"),
    JobKind("import undo", USERS.delete, undo, page, noun="row"),
)
