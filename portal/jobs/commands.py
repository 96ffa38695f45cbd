"""Start, cancel and retry jobs, and remove old ones."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update

from portal.core.actor import current_actor
from portal.core.clock import now
from portal.core.db import command, db, locked
from portal.core.errors import NotAllowed
from portal.core.interrupting import interrupt
from portal.core.keys import uuid7
from portal.core.policy import allows
from portal.core.retention import in_batches
from portal.jobs import queries
from portal.jobs.kinds import kinds
from portal.jobs.models import RETRIED, Job

REMOVED_AT_ONCE = 1_000


@command
def start(kind: str, title: str, arguments: Mapping[str, Any], *, total: int | None = None) -> uuid.UUID:
    """Start a job of this kind as the actor. It runs only if the caller's transaction commits."""
    actor = current_actor()
    if actor.id is None or not allows(actor, kinds()[kind].permission):
        raise NotAllowed
    job = Job(id=uuid7(), organization_id=actor.seen_by, owner_id=actor.id, kind=kind, title=title, total=total)
    job.arguments = dict(arguments)
    db.session.add(job)
    work_later(job.id)
    return job.id


@command
def work_later(job_id: uuid.UUID) -> None:
    """Queue the job's next batches."""
    db.session.flush()
    db.session.execute(select(func.portal_work_later(job_id)))


def cancel(job_id: uuid.UUID) -> Job:
    """Stop a job, and roll back its current batch. What it has done before stays done. Raises Missing."""
    job = _cancel(job_id)
    if job.state == "canceled":
        interrupt(str(job_id))
    return job


@command
def _cancel(job_id: uuid.UUID) -> Job:
    job = locked(queries.by_id(job_id))
    if job.is_open:
        job.state, job.ended_at, job.is_announced = "canceled", now(), True
    return job


@command
def retry(job_id: uuid.UUID) -> Job:
    """Continue a failed or canceled job after its last batch. Raises Missing."""
    job = locked(queries.by_id(job_id))
    if job.state in RETRIED:
        job.state, job.ended_at, job.message, job.is_announced = "waiting", None, None, False
        work_later(job.id)
    return job


@command
def mark_announced(ids: Iterable[uuid.UUID]) -> set[uuid.UUID]:
    """Mark ended jobs as announced to their owner. Returns those that nobody had marked before."""
    ended = update(Job).where(Job.id.in_(list(ids)), Job.ended_at.is_not(None), ~Job.is_announced)
    marked = ended.values(is_announced=True).returning(Job.id)
    return set(db.session.scalars(marked, execution_options={"synchronize_session": False}))


def remove_ended(before: datetime) -> int:
    """Remove jobs that ended earlier than `before`."""
    return in_batches(lambda: _remove_ended(before))


@command
def _remove_ended(before: datetime) -> int:
    gone = delete(Job).where(Job.id.in_(queries.ended(before).limit(REMOVED_AT_ONCE))).returning(Job.id)
    return len(db.session.scalars(gone, execution_options={"synchronize_session": False}).all())
