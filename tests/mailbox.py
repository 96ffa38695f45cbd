"""What emails wait, and what do they say?"""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import text

from portal.core.db import db
from portal.mail.message import Email, written
from portal.mail.queue import queue_of, work
from tests.acting import acting

WAITING = text("SELECT args FROM queue.procrastinate_jobs WHERE status = 'todo' ORDER BY id")


def waiting(app: Flask) -> list[dict[str, str | int]]:
    """What each waiting job holds."""
    with acting(app):
        return list(db.session.scalars(WAITING))


def jobs(app: Flask) -> list[tuple[str, uuid.UUID]]:
    """The kind of each waiting email, and whom it is for."""
    return [(str(one["kind"]), uuid.UUID(str(one["user_id"]))) for one in waiting(app)]


def emails(app: Flask) -> list[Email]:
    """The emails that are due now, as a worker would write them."""
    with acting(app):
        return [
            message
            for one in waiting(app)
            if (message := written(str(one["kind"]), uuid.UUID(str(one["user_id"])), event_of(one)))
        ]


def event_of(job: dict[str, str | int]) -> int | None:
    return int(job["event"]) if "event" in job else None


def email_of(app: Flask, kind: str, user_id: uuid.UUID) -> Email:
    """One of this kind, written now; somebody must be there to get it."""
    with acting(app):
        message = written(kind, user_id)
    assert message is not None
    return message


def path_of(message: Email) -> str:
    """Where its link leads, without the portal's address."""
    assert message.link is not None
    return urlsplit(message.link).path


def send_waiting(app: Flask) -> None:
    """Do what waits, as a worker does."""
    with ThreadPoolExecutor(1) as apart:  # a browser's test has a loop of its own
        apart.submit(asyncio.run, work(queue_of(app), until_empty=True)).result(60)
