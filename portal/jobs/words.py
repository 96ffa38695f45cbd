"""Jobs in words."""

from __future__ import annotations

from typing import Any

from portal.core.clock import now
from portal.core.counts import number_of
from portal.jobs.kinds import kinds
from portal.jobs.models import OPEN, Job

COLORS = {"done": "green", "waiting": "", "canceled": "", "running": "blue", "partly failed": "amber", "failed": "red"}


def color_of(job: Any) -> str:
    """The class of the dot before its state."""
    return COLORS[job.state]


def summary_of(job: Any) -> str:
    """`1,200 of 5,000 items`, `4,990 items, 10 failed`: how far a job is, or what became of it."""
    kind = kinds().get(job.kind)
    noun = kind.noun if kind else "item"
    if job.state in OPEN and job.total is not None:
        done = f"{job.done:,} of {number_of(job.total, noun, plural_of(noun))}"
    else:
        done = number_of(job.done, noun, plural_of(noun))
    return f"{done}, {job.failed:,} failed" if job.failed else done


def what_stays(job: Any) -> str:
    """Whether a canceled job has changed anything."""
    return "Changes made until then are kept." if job.done else "Nothing was changed."


def plural_of(noun: str) -> str:
    return "people" if noun == "person" else f"{noun}s"


def duration_of(job: Any) -> str:
    """How long it has been running, or ran."""
    return in_words(((job.ended_at or now()) - job.started_at).total_seconds()) if job.started_at else ""


def in_words(seconds: float) -> str:
    """`8 seconds`, `3 minutes`, `2 hours`."""
    for unit, name in ((3600, "hour"), (60, "minute")):
        if seconds >= 2 * unit:
            return number_of(round(seconds / unit), name)
    return number_of(max(round(seconds), 1), "second")


def remaining(job: Job) -> str:
    """How long the rest will take at the speed so far; empty while that is unknown."""
    if job.state != "running" or not job.started_at or not job.done or not job.total:
        return ""
    speed = job.done / max((now() - job.started_at).total_seconds(), 0.001)
    return f"about {in_words((job.total - job.done) / speed)} left"
