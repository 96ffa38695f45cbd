"""The jobs of imports: check the rows, create and update people, and undo that. Each batch is one transaction."""

from __future__ import annotations

import uuid
from typing import Any

from flask import url_for
from sqlalchemy import func, select

from portal.core.clock import now
from portal.core.db import db
from portal.core.errors import Conflict
from portal.imports import checking, staging
from portal.imports.models import Import, ImportRow
from portal.jobs.kinds import JobKind
from portal.jobs.models import Job
from portal.organizations.commands import lock_active
from portal.users.permissions import USERS

BATCH = checking.BATCH
GONE = "The import was removed."


def page(job: Job) -> str:
    return url_for("imports.show", id=job.arguments["import_id"])


def check(job: Job) -> bool:
    """Read and check the next batch. Writes nobody."""
    one = _import(job)
    last, elsewhere = checking.check(one, job.done + 1, parser=checking.parser_of(one))
    job.advance(last - job.done)
    job.result = {"elsewhere": job.result.get("elsewhere", 0) + elsewhere}
    if last < one.total:
        return True
    one.state = "checked"
    if not checking.count_foreign(job.result["elsewhere"]):
        checking.refuse_all(one)
    return False


def apply(job: Job) -> bool:
    """Check the next batch again, then create and update people."""
    one = _import(job)
    first = job.done + 1
    last, _ = checking.check(one, first, parser=None)
    within: dict[str, Any] = {"import_id": one.id, "first": first, "last": last}
    for home in db.session.scalars(_homes(within)):
        lock_active(home)
    _assign_keys(within)
    made = db.session.scalars(staging.CREATE, {**within, "at": now()}).all()
    db.session.execute(staging.CREATED, {**within, "ids": made})
    _update(within)
    if one.options.get("invites"):
        db.session.execute(staging.INVITE, within)
    refused = db.session.scalar(_counted(within, "refused")) or 0
    job.advance(last - job.done, failed=refused)
    if last >= one.total:
        one.state = "imported"
    return last < one.total


def undo(job: Job) -> bool:
    """Delete the people of the next batch whom the import created, and give the others their former names."""
    one = _import(job)
    first, last = job.done + 1, min(job.done + BATCH, one.total)
    within: dict[str, Any] = {"import_id": one.id, "first": first, "last": last}
    undone = len(db.session.execute(staging.DELETE, {**within, "at": now()}).all()) + len(
        db.session.execute(staging.RESTORE, within).all()
    )
    changed = db.session.scalar(_counted(within, "create", "update")) or 0
    job.advance(last - job.done, failed=changed - undone)
    if last >= one.total:
        one.state = "undone"
    return last < one.total


def _update(within: dict[str, Any]) -> None:
    if db.session.execute(staging.LOCK, within).all():
        db.session.execute(staging.KEEP, within)
        updated = db.session.execute(staging.UPDATE, within).all()
        versions = {"ids": [one.id for one in updated], "versions": [one.version for one in updated]}
        db.session.execute(staging.UPDATED, {**within, **versions})


def _assign_keys(within: dict[str, Any]) -> None:
    """Keys of new people, made here so that they are ordered by time."""
    created = select(ImportRow.number).where(*_within(within), ImportRow.verdict == "create").order_by(ImportRow.number)
    numbers = db.session.scalars(created).all()
    keys = {"numbers": numbers, "ids": checking.new_keys(len(numbers)), "import_id": within["import_id"]}
    db.session.execute(staging.KEYS, keys)


def _homes(within: dict[str, Any]) -> Any:
    return select(ImportRow.home_id).where(*_within(within), ImportRow.verdict == "create").distinct()


def _counted(within: dict[str, Any], *verdicts: str) -> Any:
    return select(func.count()).select_from(ImportRow).where(*_within(within), ImportRow.verdict.in_(verdicts))


def _within(within: dict[str, Any]) -> tuple[Any, ...]:
    numbers = ImportRow.number.between(within["first"], within["last"])
    return ImportRow.import_id == within["import_id"], numbers


def _import(job: Job) -> Import:
    one = db.session.get(Import, uuid.UUID(job.arguments["import_id"]), populate_existing=True)
    if one is None:
        raise Conflict(None, GONE)
    return one


JOBS = (
    JobKind("import check", USERS.create, check, page, noun="row"),
    JobKind("import", USERS.create, apply, page, noun="row"),
    JobKind("import undo", USERS.delete, undo, page, noun="row"),
)
