"""The kinds of jobs, which features declare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from portal.core.policy import Permission
from portal.jobs.models import Job
from portal.web.given import Given


@dataclass(frozen=True)
class JobKind:
    """A kind of job.

    `step` carries out the next batch, after `job.done` items, and returns whether more remain. It runs in a transaction
    of the job's owner, which also moves the job (`Job.advance`): so each item is done exactly once, whatever stops the
    worker. `permission` is what the owner needs, also while the job runs. `page` is where its result is shown.
    """

    name: str
    permission: Permission
    step: Callable[[Job], bool]
    page: Callable[[Job], str] | None = None
    noun: str = "item"


kinds: Given[Mapping[str, JobKind]] = Given("kinds of jobs")


def page_of(job: Job) -> str | None:
    """The URL of the job's own page of results, if its kind has one."""
    kind = kinds().get(job.kind)
    return kind.page(job) if kind and kind.page else None
