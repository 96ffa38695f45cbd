"""The kinds of jobs, which features declare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from portal.core.policy import Permission
from portal.jobs.models import Job
from portal.web.given import Given


@dataclass(frozen=True)
class Kept:
    """Rows left unchanged: why, how many, and the names of the first few."""

    reason: str
    many: int
    names: Sequence[str]


@dataclass(frozen=True)
class JobKind:
    """A kind of job.

    `step` carries out the next batch, after `job.done` items, and returns whether more remain. It runs in a transaction
    of the job's owner, which also moves the job (`Job.advance`): so each item is done exactly once, whatever stops the
    worker. `permission` is what the owner needs, also while the job runs. `page` is where its result is shown, and
    `kept` returns the rows it left unchanged, by reason. If the kind `is_by_system`, its steps run as the system, and
    must check what the owner is allowed to do.
    """

    name: str
    permission: Permission
    step: Callable[[Job], bool]
    page: Callable[[Job], str | None] | None = None
    noun: str = "item"
    kept: Callable[[Job], Sequence[Kept]] | None = None
    is_by_system: bool = False


kinds: Given[Mapping[str, JobKind]] = Given("kinds of jobs")


def page_of(job: Job) -> str | None:
    """The URL of the job's own page of results, if its kind has one."""
    kind = kinds().get(job.kind)
    return kind.page(job) if kind and kind.page else None


def kept_by(job: Job) -> Sequence[Kept]:
    """The rows that the job left unchanged."""
    kind = kinds().get(job.kind)
    return kind.kept(job) if kind and kind.kept else ()
