"""Carry out a confirmed change of very many rows as a job: one transaction, and one operation in the history."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import url_for

from portal.core.actor import current_actor
from portal.core.bulk import carry_out
from portal.core.errors import Conflict
from portal.core.keys import read_key
from portal.core.policy import allows
from portal.jobs.kinds import JobKind
from portal.jobs.models import Job
from portal.resources.deciding import decoded
from portal.resources.resource import Resource, resources
from portal.resources.selecting import actions_of

CHANGED = "Some of the rows changed in the meantime, so nothing was done. Select them again."
NOT_ALLOWED = "You can no longer do this, because your role has changed."


def job_kind(resource: Resource[Any]) -> JobKind:
    """The kind of job that changes many rows of a resource."""
    return JobKind(
        f"change {resource.name}", resource.permissions.list, partial(_step, resource), _page, noun=resource.noun
    )


def _step(resource: Resource[Any], job: Job) -> bool:
    """Change all rows, unless one of them would be refused now."""
    action = next(one for one in actions_of(resource) if one.name == job.arguments["action"])
    if not allows(current_actor(), action.permission):
        raise Conflict(None, NOT_ALLOWED)
    key = read_key(job.arguments["entry"])
    entered = resources()[action.entry.table].one(key) if action.entry and key else None
    assert action.change  # noqa: S101 -- an action without one is a download
    ids = decoded(job.arguments["rows"])
    parts = [(action.change(entered), ids)]
    _, operation = carry_out(parts, lambda verdicts: all(len(one.changed) == len(ids) for one in verdicts))
    if operation is None:
        raise Conflict(None, CHANGED)
    job.advance(len(ids))
    job.result = {"operation": str(operation)}
    return False


def _page(job: Job) -> str:
    """The operation, where it can be undone; the job if it has done nothing."""
    operation = job.result.get("operation")
    return url_for("activity.show", id=operation) if operation else url_for("jobs.show", id=job.id)
