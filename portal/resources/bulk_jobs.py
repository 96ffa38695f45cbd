"""Carry out a confirmed change of very many rows as a job: one transaction, and one operation in the history."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from flask import url_for

from portal.core.bulk import carry_out
from portal.core.errors import Conflict
from portal.core.keys import read_key
from portal.core.policy import allows
from portal.jobs.kinds import JobKind
from portal.jobs.models import Job
from portal.jobs.running import owner_of
from portal.resources.deciding import Part, decoded, job_for, kept_by, result_of
from portal.resources.resource import Resource, resources
from portal.resources.selecting import actions_of

CHANGED = "Some of the rows changed in the meantime, so nothing was done. Select them again."
NOT_ALLOWED = "You can no longer do this, because your role has changed."


def job_kinds(resource: Resource[Any]) -> Iterator[JobKind]:
    """The kinds of jobs that change many rows of a resource: as their owner, and as the system for them."""
    step, list_permission = partial(_step, resource), resource.permissions.list
    for is_by_system in (False, True):
        yield JobKind(
            job_for(resource, is_by_system=is_by_system), list_permission, step, page, noun=resource.noun, kept=kept_by,
            is_by_system=is_by_system,
        )  # fmt: skip


def _step(resource: Resource[Any], job: Job) -> bool:
    """Change all rows, or none if one of them would be refused now. A change by the system leaves out just that one."""
    owner = owner_of()(job.owner_id)
    action = next(one for one in actions_of(resource) if one.name == job.arguments["action"])
    if owner is None or not allows(owner, action.permission):
        raise Conflict(None, NOT_ALLOWED)
    key = read_key(job.arguments["entry"])
    entered = resources()[action.entry.table].one(key) if action.entry and key else None
    assert action.change  # noqa: S101 -- an action without one is a download
    change, ids = action.change(entered), decoded(job.arguments["rows"][0])
    change.by = owner
    verdicts, operation = carry_out(
        [(change, ids)], lambda verdicts: change.is_by_system or all(len(one.changed) == len(ids) for one in verdicts)
    )
    if operation is None and not change.is_by_system:
        raise Conflict(None, CHANGED)
    job.advance(len(ids))
    job.result = result_of([Part(resource, change, ids)], verdicts, operation)
    return False


def page(job: Job) -> str:
    """The operation, where it can be undone; the job if it has done nothing."""
    operation = job.result.get("operation")
    return url_for("activity.show", id=operation) if operation else url_for("jobs.show", id=job.id)
