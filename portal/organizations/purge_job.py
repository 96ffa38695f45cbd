"""The job that permanently removes a large organization, batch by batch."""

from __future__ import annotations

import uuid

from portal.core.errors import Conflict, Missing
from portal.core.policy import PURGE
from portal.jobs.kinds import JobKind
from portal.jobs.models import Job
from portal.organizations.commands import PURGE_JOB, organizations

RESTORED = "The organization was restored, or removed by somebody else."


def step(job: Job) -> bool:
    """Remove the next rows, at last the organization."""
    try:
        removed = organizations.purge_batch(uuid.UUID(job.arguments["organization"]))
    except Missing:
        raise Conflict(None, RESTORED) from None
    job.advance(removed)
    return removed > 0


KIND = JobKind(PURGE_JOB, PURGE, step, noun="row")
