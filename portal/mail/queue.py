"""The worker: it takes emails from a queue in the database and sends them, and beside that carries out jobs.

What is queued contains only ids. portal_send_later (portal/sql/mail) and portal_work_later (portal/sql/jobs) add it in
the transaction that causes it. An email is sent at least once: if a worker is killed between sending it and recording
that, it is sent again. For jobs, see jobs/running.py. Each queue has a worker of its own, so that emails never wait for
a job.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from email.message import EmailMessage

import psycopg
from flask import Flask
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException, UniqueViolation
from procrastinate.jobs import DeleteJobCondition, Job, Status
from procrastinate.signals import on_stop
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError

from portal.core.actor import SYSTEM
from portal.core.clock import now
from portal.core.connecting import SETTINGS, parameters
from portal.core.db import DIRECT, acting_as, command, db
from portal.core.email_addresses import mailable_email
from portal.core.errors import Busy, Missing, UnsuitableDatabase
from portal.core.retention import RetentionRule
from portal.jobs.running import run
from portal.mail.message import Email, message_of, written
from portal.mail.models import OutboxEmail
from portal.mail.post import Undelivered, Unwanted, deliver
from portal.postgres.preflight import try_reading
from portal.postgres.sentences import sentence_of
from portal.web.brand import follow
from portal.web.given import Given, current_settings

QUEUE, TASK, SCHEMA = "emails", "send", "queue"  # as in migration 0006_email_queue
JOBS, WORK = "jobs", "work"  # as in migration 0009_jobs
RETENTION_CRON = "17 3 * * *"  # UTC
REPEAT_SECONDS = 900.0  # offsets of time zones are multiples of 15 minutes
DAY_SECONDS = 86_400  # a restarted worker makes up for a retention run that it missed within this time
FIRST_PAUSE, LONGEST_PAUSE = 10, 3600
MOST_UNEXPECTED = 10  # attempts after unexpected errors
RESCUE_SECONDS, STALLED_SECONDS, RESTART_SECONDS = 30.0, 30.0, 5.0
ENDING_SECONDS = 25.0
UNREACHABLE = (ConnectorException, PoolTimeout, psycopg.Error, DBAPIError, OSError)

log = logging.getLogger("portal")


class Again(BaseRetryStrategy):
    """Try a job's next batches again until the database is there. Any other error is a bug: a job reports its own."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if not isinstance(exception, (*UNREACHABLE, Busy)):
            log.error("job %s could not be run: %s", job.task_kwargs.get("job_id"), type(exception).__name__)
            return None
        return RetryDecision(retry_in={"seconds": FIRST_PAUSE})


class Backoff(BaseRetryStrategy):
    """Retry after 10 seconds, 20, 40 and so on, then every hour, unless the server will never accept the email.

    Any other error is a bug, and is retried a few times.
    """

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, Unwanted) or (
            not isinstance(exception, Undelivered) and job.attempts >= MOST_UNEXPECTED
        ):
            log.error("job %s: an email could not be sent: %s", job.id, exception)
            return None
        pause = min(FIRST_PAUSE * 2 ** min(job.attempts, 20), LONGEST_PAUSE)
        log.warning("job %s: an email is delayed for %s s: %s", job.id, pause, exception)
        return RetryDecision(retry_in={"seconds": pause})


def send(kind: str, user_id: uuid.UUID, event: int | None = None) -> None:
    """Write the email with current data and send it, unless the person was removed or it is no longer due."""
    settings = current_settings()
    follow()
    with acting_as(SYSTEM):
        email = written(kind, user_id, event)
        db.session.rollback()  # don't hold a connection while waiting for the mail server
        if email is None:
            return
        if settings.has_outbox:
            _keep(email, user_id)
        elif settings.smtp_url is not None:
            deliver(_addressed(email, settings.mail_from), settings.smtp_url)


def _addressed(email: Email, sender: str) -> EmailMessage:
    """The message to exactly the stored address. An invalid one could be parsed as another person's."""
    try:
        recipient = mailable_email(email.recipient)
    except ValueError:
        raise Unwanted("its address can't receive email") from None
    return message_of(replace(email, recipient=recipient), sender)


@command
def _keep(email: Email, user_id: uuid.UUID) -> None:
    values = {"recipient": email.recipient, "subject": email.subject, "content": email.content("txt")}
    db.session.add(OutboxEmail(user_id=user_id, link=email.link, **values))


def queue_of(app: Flask) -> App:
    """The queue in an application's database. It bypasses poolers, because LISTEN needs a direct connection."""
    settings = current_settings.of(app)
    url = settings.direct_url or app.config["SQLALCHEMY_DATABASE_URI"]
    # It waits for jobs without a time limit, so its connection must not be closed when idle.
    arguments = parameters(url, {**SETTINGS, "search_path": SCHEMA, "idle_session_timeout": "0"}, "portal-worker")
    connector = PsycopgConnector(kwargs=arguments, min_size=1, max_size=4)
    queue = App(connector=connector, periodic_defaults={"max_delay": DAY_SECONDS})

    @queue.task(name=TASK, queue=QUEUE, retry=Backoff())
    def do(kind: str, user_id: str, event: int | None = None) -> None:
        with app.app_context():
            send(kind, uuid.UUID(user_id), event)

    @queue.task(name=WORK, queue=JOBS, retry=Again())
    def carry_on(job_id: str) -> None:
        with app.app_context():
            run(uuid.UUID(job_id))

    @queue.periodic(cron=RETENTION_CRON)
    @queue.task(name="retention", queue=JOBS, queueing_lock="retention")
    def remove(timestamp: int) -> None:
        with app.app_context():
            remove_old_rows()

    return queue


recurring: Given[Sequence[Callable[[], object]]] = Given("recurring tasks")
retention_rules: Given[Sequence[RetentionRule]] = Given("retention rules")


def remove_old_rows() -> dict[str, int]:
    """Apply each retention rule, even if another one fails. Returns how many rows each removed."""
    settings = current_settings()
    removed = {}
    ages = ((one, one.age(settings)) for one in retention_rules())
    for one, age in ((one, age) for one, age in ages if age is not None):
        try:
            with acting_as(SYSTEM):
                removed[one.name] = one.remove(now() - age)
        except (DBAPIError, Busy, Missing) as error:
            log.warning("could not remove %s: %s", one.name, type(error).__name__)
    if any(removed.values()):
        log.info("removed old rows: %s", ", ".join(f"{many} {name}" for name, many in removed.items() if many))
    return removed


async def work(
    queue: App, queues: Sequence[str] = (QUEUE, JOBS), *, until_empty: bool = False, with_signals: bool = False
) -> None:
    """Run what is queued until nothing is left, or until a signal, after which what has begun is finished."""
    if until_empty:  # periodic jobs would keep it waiting for the next day
        queue.periodic_registry.periodic_tasks.clear()
    async with queue.open_async():
        rescuing = asyncio.create_task(_rescue(queue, queues))
        shares = [list(queues)] if until_empty else [[one] for one in queues]
        workers = [asyncio.create_task(_worker(queue, share, wait=not until_empty)) for share in shares]

        def stop() -> None:
            for one in workers:
                one.cancel()

        try:
            with on_stop(stop) if with_signals else nullcontext():
                await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
            stop()
            for ended in await asyncio.gather(*workers, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended
        finally:
            rescuing.cancel()
            with suppress(asyncio.CancelledError):
                await rescuing


async def _worker(queue: App, share: list[str], *, wait: bool) -> None:
    await queue.run_worker_async(
        queues=share,
        wait=wait,
        delete_jobs=DeleteJobCondition.SUCCESSFUL.value,
        install_signal_handlers=False,
        shutdown_graceful_timeout=ENDING_SECONDS,
        stalled_worker_timeout=STALLED_SECONDS,
    )


async def _rescue(queue: App, queues: Sequence[str]) -> None:
    """Regularly return to the queue what dead workers had begun."""
    while True:
        with suppress(*UNREACHABLE):
            for one in queues:
                stalled = await queue.job_manager.get_stalled_jobs(queue=one, seconds_since_heartbeat=STALLED_SECONDS)
                for job in stalled:
                    await _return(queue, job)
        await asyncio.sleep(RESCUE_SECONDS)


async def _return(queue: App, job: Job) -> None:
    """Return a job to the queue. If its next batches are queued already, it is done, and would only hold them up."""
    try:
        await queue.job_manager.retry_job(job)
    except UniqueViolation:
        await queue.job_manager.finish_job(job, Status.SUCCEEDED, delete_job=True)


def work_on(app: Flask, *, with_signals: bool = False) -> None:
    """Send emails, if that is set up, and run jobs until a signal. Restart after an outage of the database."""
    missing = current_settings.of(app).missing_for_mail
    if missing:
        log.warning("%s", missing)
    queues = (JOBS,) if missing else (QUEUE, JOBS)
    threading.Thread(target=_repeat, args=(app,), name="repeat", daemon=True).start()
    while True:
        try:
            with app.app_context():  # the pool of the queue doesn't report why it can't connect
                try_reading(db.engines.get(DIRECT, db.engine), f"{SCHEMA}.procrastinate_jobs")
            asyncio.run(work(queue_of(app), queues, with_signals=with_signals))
        except UNREACHABLE as error:
            if isinstance(cause := getattr(error, "orig", None), UnsuitableDatabase):
                raise cause from None
            log.warning("the worker can't reach the database: %s", sentence_of(error) or type(error).__name__)
            time.sleep(RESTART_SECONDS)
        else:
            return


def _repeat(app: Flask) -> None:
    """Run the recurring tasks every 15 minutes. Other workers may run them at the same moment."""
    while True:
        time.sleep(REPEAT_SECONDS)
        with app.app_context():
            for one in recurring():
                try:
                    one()
                except (*UNREACHABLE, Busy, Missing) as error:
                    log.warning("%s: %s", one.__name__, sentence_of(error) or type(error).__name__)


def work_in_background(app: Flask) -> None:
    """Work in a thread of this process, unless `flask worker` does."""
    if not current_settings.of(app).worker_inside:
        return
    threading.Thread(target=work_on, args=(app,), name="worker", daemon=True).start()
