"""A kind of job for tests: it adds a team for each number, two at a time."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.keys import uuid7
from portal.jobs.commands import start
from portal.jobs.kinds import JobKind, kinds
from portal.jobs.models import Job
from portal.jobs.permissions import JOBS_WRITE
from portal.teams.models import Team
from tests.acting import acting
from tests.cast import Builder, Person

BATCH = 2


def count(job: Job) -> bool:
    """Add a team for each of the next numbers. Numbers in `bad` fail."""
    bad = job.arguments.get("bad", [])
    numbers = range(job.done, min(job.done + BATCH, job.total or 0))
    for number in numbers:
        if number not in bad:
            db.session.add(Team(id=uuid7(), organization_id=job.organization_id, name=f"Team {number}"))
    job.advance(len(numbers), failed=sum(number in bad for number in numbers))
    return job.done < (job.total or 0)


@contextmanager
def counting(app: Flask, step: Callable[[Job], bool] = count) -> Iterator[None]:
    """The kind of job `counting`, during the block."""
    before = kinds.of(app)
    kinds.set(app, {**before, "counting": JobKind("counting", JOBS_WRITE, step, noun="team")})
    try:
        yield
    finally:
        kinds.set(app, before)


def started(app: Flask, person: Person, total: int = 5, **arguments: Any) -> uuid.UUID:
    with acting(app, person):
        return start("counting", "Counting", arguments, total=total)


def job_of(app: Flask, job_id: uuid.UUID) -> Any:
    return Builder(app).read(Job, job_id)


def teams(app: Flask) -> list[str]:
    with acting(app):
        return sorted(db.session.scalars(select(Team.name)))
