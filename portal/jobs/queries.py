"""Queries for jobs. The session adds the tenant's condition."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select, true

from portal.core.cursors import moment
from portal.core.listing import Listing, Sort, Source, Tab
from portal.jobs.models import OPEN, Job

NEWEST = {"created_at": Sort(Job.created_at, moment)}
TABS = {
    "all": Tab("All", true(), NEWEST, "-created_at"),
    "open": Tab("In progress", Job.state.in_(OPEN), NEWEST, "-created_at"),
    "failed": Tab("Failed", Job.state.in_(("failed", "partly failed")), NEWEST, "-created_at", is_small=True),
}
COLUMNS = (
    Job.id,
    Job.owner_id,
    Job.title,
    Job.kind,
    Job.state,
    Job.total,
    Job.done,
    Job.failed,
    Job.created_at,
    Job.started_at,
    Job.ended_at,
)


def listing(arguments: Mapping[str, str], path: str) -> Listing:
    """The list of jobs for these URL arguments."""
    return Listing(Source(Job, select(*COLUMNS), TABS, search=lambda _: ()), {**arguments, "q": ""}, path)


def by_id(job_id: uuid.UUID) -> Select[Job]:
    return select(Job).where(Job.id == job_id)


def unannounced_to(owner_id: Any) -> ColumnElement[bool]:
    """The condition of a person's jobs that run, or ended without their knowledge."""
    return and_(Job.owner_id == owner_id, ~Job.is_announced)


def unannounced(owner_id: uuid.UUID) -> Select[Job]:
    return select(Job).where(unannounced_to(owner_id)).order_by(Job.created_at)


def ended(before: datetime) -> Select[uuid.UUID]:
    return select(Job.id).where(Job.ended_at < before)
