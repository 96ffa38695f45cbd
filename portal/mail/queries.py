"""Queries for the outbox and the state of the queue."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, Uuid, cast, func, select

from portal.core.clock import now
from portal.core.counts import counting
from portal.core.scoping import kept
from portal.mail.models import JOB_EVENTS, JOBS, WORKERS, OutboxEmail

SHOWN = 50


def newest() -> Select[OutboxEmail]:
    return select(OutboxEmail).order_by(OutboxEmail.kept_at.desc(), OutboxEmail.id.desc()).limit(SHOWN)


def _is(status: str) -> ColumnElement[bool]:
    return cast(JOBS.c.status, Text) == status


def state_of_queue(alive: timedelta) -> Select[Any]:
    """How many emails are due and since when, how many are delayed or failed, and how many workers are running."""
    at = now()
    is_due = _is("todo") & (JOBS.c.scheduled_at.is_(None) | (JOBS.c.scheduled_at <= at))
    began = select(func.min(JOB_EVENTS.c.at)).where(JOB_EVENTS.c.job_id == JOBS.c.id).scalar_subquery()
    return select(
        func.count().filter(is_due).label("due"),
        func.min(func.coalesce(JOBS.c.scheduled_at, began))
        .filter(is_due, JOBS.c.queue_name == "emails")  # a job may wait for others
        .label("since"),
        func.count().filter(_is("todo") & ~is_due).label("later"),
        func.count().filter(_is("failed")).label("failed"),
        select(func.count()).where(WORKERS.c.last_heartbeat > at - alive).scalar_subquery().label("workers"),
    ).select_from(JOBS)


def failed_emails() -> Select[Any]:
    """Emails that failed, newest first: kind, person, attempts, and since when."""
    since = select(func.max(JOB_EVENTS.c.at)).where(JOB_EVENTS.c.job_id == JOBS.c.id).scalar_subquery()
    person = cast(JOBS.c.args["user_id"].astext, Uuid).label("user_id")
    columns = JOBS.c.args["kind"].astext.label("kind"), person, JOBS.c.attempts, since.label("at")
    found = select(*columns).where(_is("failed"), JOBS.c.queue_name == "emails")
    return found.order_by(JOBS.c.id.desc())


@cache
def number_of_failed() -> Select[int]:
    """The statement that counts failed emails, up to one more than BOUND."""
    return kept(counting(failed_emails()))


def waiting(kind: str, user_id: uuid.UUID) -> Select[Any]:
    """Emails of a kind to a person that were not sent yet."""
    args = JOBS.c.args["kind"].astext == kind, JOBS.c.args["user_id"].astext == str(user_id)
    return select(JOBS.c.id).where(_is("todo"), *args)


def failed(before: datetime) -> Select[Any]:
    """Failed jobs without an event since `before`."""
    lately = select(JOB_EVENTS.c.at).where(JOB_EVENTS.c.job_id == JOBS.c.id, JOB_EVENTS.c.at >= before)
    return select(JOBS.c.id).where(_is("failed"), ~lately.exists())
