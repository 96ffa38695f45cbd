"""Run jobs in batches. Each is one transaction of the job's owner, which also moves the job.

A worker that is killed in the middle loses one batch, which the next one does again from the start. A batch that was
committed is never repeated. The owner's account and role are checked before each batch.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from psycopg import errors as pg
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from portal.core import interrupting
from portal.core.actor import SYSTEM, Actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import Busy, Conflict
from portal.core.policy import allows
from portal.jobs import queries
from portal.jobs.commands import work_later
from portal.jobs.kinds import JobKind, kinds
from portal.jobs.models import Job
from portal.web.given import Given

SLICE_SECONDS = 5.0  # after which other jobs have their turn
BATCH_TIMEOUT = "5min"
LOST = (pg.OperationalError, pg.InterfaceError)  # the server is gone, full or restarting: another try helps
FAILED = "Something went wrong. Retry it; if it fails again, ask your administrator for the log."
NO_OWNER = "The person who started it can no longer do this, because their account or role has changed."

log = logging.getLogger("portal")

owner_of: Given[Callable[[uuid.UUID], Actor | None]] = Given("owners of jobs")  # None if they can't sign in


class Canceled(Exception):
    """Somebody canceled the job during this batch, which is rolled back."""


def run(job_id: uuid.UUID) -> None:
    """Run batches until the job ends, or until other jobs have their turn; then queue it again."""
    until = time.monotonic() + SLICE_SECONDS
    while _run_batch(job_id):
        if time.monotonic() > until:
            break
    else:
        return
    with acting_as(SYSTEM):
        work_later(job_id)


def _run_batch(job_id: uuid.UUID) -> bool:
    """Run one batch. Returns whether more remain."""
    with acting_as(SYSTEM):
        found = _begun(job_id)
    if found is None:
        return False
    name, owner_id, organization_id = found
    kind, owner = kinds().get(name), owner_of()(owner_id)
    if kind is None:
        return _fail(job_id, FAILED)
    is_same = owner is not None and (owner.is_unlimited, owner.seen_by) == (organization_id is None, organization_id)
    if owner is None or not is_same or not allows(owner, kind.permission):
        return _fail(job_id, NO_OWNER)
    try:
        with acting_as(SYSTEM if kind.is_by_system else owner):
            return _advance(kind, job_id)
    except Canceled:
        return False
    except Busy:
        raise
    except Conflict as conflict:
        return _fail(job_id, conflict.message)
    except Exception as error:
        if isinstance(error, DBAPIError) and _is_lost(error):
            raise
        if _is_over(job_id):  # canceled, which interrupts the batch
            return False
        log.exception("job %s failed", job_id)
        return _fail(job_id, FAILED)


def _is_over(job_id: uuid.UUID) -> bool:
    with acting_as(SYSTEM):
        job = db.session.scalar(queries.by_id(job_id))
        return job is None or not job.is_open


def _is_lost(error: DBAPIError) -> bool:
    return isinstance(error.orig, LOST) and not isinstance(error.orig, pg.QueryCanceled)


@command
def _begun(job_id: uuid.UUID) -> tuple[str, uuid.UUID, uuid.UUID | None] | None:
    """Mark a waiting job as running, and return its kind, owner and organization. None if it isn't open."""
    job = db.session.scalar(queries.by_id(job_id))
    if job is None or not job.is_open:
        return None
    if job.state == "waiting":
        job = locked(queries.by_id(job_id))
        if not job.is_open:
            return None
        job.state, job.started_at = "running", job.started_at or now()
    return job.kind, job.owner_id, job.organization_id


@command
def _advance(kind: JobKind, job_id: uuid.UUID) -> bool:
    # A killed worker's batch may still be running in the server: wait for it, so that none is done twice.
    db.session.execute(select(func.set_config("statement_timeout", BATCH_TIMEOUT, True)))
    interrupting.lock(str(job_id))
    job = db.session.scalar(queries.by_id(job_id), execution_options={"populate_existing": True})
    if job is None or not job.is_open:
        raise Canceled
    more = kind.step(job)
    # The row is locked only now, so that canceling doesn't wait for the batch.
    if db.session.scalar(select(Job.state).where(Job.id == job_id).with_for_update()) == "canceled":
        raise Canceled
    if not more:
        job.ended_at = now()
        job.state = "done" if not job.failed else "failed" if job.failed == job.done else "partly failed"
    return more


def _fail(job_id: uuid.UUID, message: str) -> bool:
    with acting_as(SYSTEM):
        _end_as_failed(job_id, message)
    return False


@command
def _end_as_failed(job_id: uuid.UUID, message: str) -> None:
    job = locked(queries.by_id(job_id))
    if job.is_open:
        job.state, job.ended_at, job.message = "failed", now(), message
