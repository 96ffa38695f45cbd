"""The jobs of imports: check the rows, create and update people, and undo that. Each batch is one transaction."""

from __future__ import annotations

import uuid
from typing import Any

from flask import url_for
from sqlalchemy import func, select

from portal.core.actor import current_actor
from portal.core.clock import now
from portal.core.db import db
from portal.core.errors import Conflict, NotAllowed
from portal.core.keys import read_key
from portal.core.policy import allows, grantable_roles
from portal.imports import checking, overwriting, staging, uploads
from portal.imports.models import Import, ImportRow
from portal.imports.parsing import NOT_GRANTABLE
from portal.imports.words import Refused
from portal.jobs.kinds import JobKind
from portal.jobs.models import Job
from portal.organizations.commands import lock_active
from portal.resources.bulk_linking import Linking
from portal.teams.models import Team
from portal.teams.resource import members
from portal.users.permissions import USERS

GONE = "The import was removed."
SUPERSEDED = "Something else was done with this import in the meantime."
NO_TEAM = "The team was deleted. Restore it, then retry the job."
TAKEN = "Email: someone else was just given this address."


def page(job: Job) -> str:
    return url_for("imports.show", id=job.arguments["import_id"])


def check(job: Job) -> bool:
    """Read and check the next batch, without writing people."""
    one = _import(job, "read")
    try:
        rows = uploads.rows_after(one, job.id, job.done, checking.staging_of(one))
    except Refused as refused:
        raise Conflict(None, str(refused)) from refused
    is_within = not rows or checking.store(one, rows)
    job.advance(len(rows))
    if is_within and len(rows) == uploads.BATCH:
        return True
    job.total = job.done
    one.state = "checked"
    return False


def apply(job: Job) -> bool:
    """Check the next batch again, then create and update people."""
    one = _import(job, "importing")
    first, last = job.done + 1, min(job.done + uploads.BATCH, one.total)
    within: dict[str, Any] = {"import_id": one.id, "first": first, "last": last}
    overwriting.lock(one, _people(within, "update"))
    if not checking.count_foreign(checking.check(one, first, last)):
        raise Conflict(None, checking.TOO_MANY_ELSEWHERE)
    _create(one, within)
    _update(one, within)
    one.imported = last
    job.advance(last - first + 1, failed=_count(within, "refused"))
    if last >= one.total:
        one.state = "imported"
    return last < one.total


def _create(one: Import, within: dict[str, Any]) -> None:
    role = checking.role_of(one)
    if role not in grantable_roles(current_actor()):
        raise Conflict(None, NOT_GRANTABLE.format(role.label))
    homes = set(db.session.scalars(select(ImportRow.home_id).where(*_rows(within, "create")).distinct()))
    for home in sorted(home for home in homes if home):
        lock_active(home)
    db.session.execute(staging.CREATE, {**within, "role": role.name, "at": now(), "taken": TAKEN})
    if team_id := read_key(one.options.get("team_id")):
        _add_to_team(team_id, within)
    if one.options.get("invites"):
        db.session.execute(staging.INVITE, within)


def _add_to_team(team_id: uuid.UUID, within: dict[str, Any]) -> None:
    if not allows(current_actor(), members.permission):
        raise NotAllowed
    team = db.session.get(Team, team_id)
    if team is None:
        raise Conflict(None, NO_TEAM)
    change, ids = Linking(members, team, adds=True), _people(within, "create")
    change.lock(ids)
    if added := change.judged(ids).changed:
        change.apply(added)


def _update(one: Import, within: dict[str, Any]) -> None:
    if ids := _people(within, "update"):
        db.session.execute(staging.KEEP, within)
        checking.refuse(one, within["first"], within["last"], overwriting.overwrite(one, ids))
        db.session.execute(staging.UPDATED, within)


def undo(job: Job) -> bool:
    """Delete the people of the next batch whom the import created, and give the others their former values."""
    one = _import(job, "undoing")
    first, last = job.done + 1, min(job.done + uploads.BATCH, one.imported)
    within: dict[str, Any] = {"import_id": one.id, "first": first, "last": last}
    undone = len(db.session.execute(staging.DELETE, {**within, "at": now()}).all())
    undone += overwriting.restore(one, first, last)
    job.advance(last - first + 1, failed=_count(within, "create", "update") - undone)
    if last >= one.imported:
        one.state = "undone"
    return last < one.imported


def _count(within: dict[str, Any], *verdicts: str) -> int:
    return db.session.scalar(select(func.count()).select_from(ImportRow).where(*_rows(within, *verdicts))) or 0


def _people(within: dict[str, Any], verdict: str) -> list[uuid.UUID]:
    found = select(ImportRow.person_id).where(*_rows(within, verdict), ImportRow.person_id.is_not(None))
    return [key for key in db.session.scalars(found.order_by(ImportRow.number)) if key]


def _rows(within: dict[str, Any], *verdicts: str) -> tuple[Any, ...]:
    numbers = ImportRow.number.between(within["first"], within["last"])
    return ImportRow.import_id == within["import_id"], numbers, ImportRow.verdict.in_(verdicts)


def _import(job: Job, state: str) -> Import:
    """The import, if this is still its job."""
    one = db.session.get(Import, uuid.UUID(job.arguments["import_id"]), populate_existing=True)
    if one is None:
        raise Conflict(None, GONE)
    if one.job_id != job.id or one.state != state:
        raise Conflict(None, SUPERSEDED)
    return one


JOBS = (
    JobKind("import check", USERS.create, check, page, noun="row"),
    JobKind("import", USERS.create, apply, page, noun="row"),
    JobKind("import undo", USERS.delete, undo, page, noun="row"),
)
