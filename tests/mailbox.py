"""The queued emails, and their content."""

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
from tests.cast import Person

WAITING = text("SELECT args FROM queue.procrastinate_jobs WHERE status = 'todo' AND queue_name = 'emails' ORDER BY id")

# The pages that links of each kind open.
PATHS = {"invitation": "/invitations/", "password_reset": "/password/reset", "verification": "/verify"}


def waiting(app: Flask) -> list[dict[str, str | int]]:
    """The arguments of each queued job."""
    with acting(app):
        return list(db.session.scalars(WAITING))


def jobs(app: Flask) -> list[tuple[str, uuid.UUID]]:
    """The kind and recipient of each queued email."""
    return [(str(one["kind"]), uuid.UUID(str(one["user_id"]))) for one in waiting(app)]


def emails(app: Flask) -> list[Email]:
    """The queued emails, as a worker would write them."""
    with acting(app):
        return [
            message
            for one in waiting(app)
            if (message := written(str(one["kind"]), uuid.UUID(str(one["user_id"])), event_of(one)))
        ]


def event_of(job: dict[str, str | int]) -> int | None:
    return int(job["event"]) if "event" in job else None


def email_of(app: Flask, kind: str, user_id: uuid.UUID) -> Email:
    """The email of this kind to this person, written now."""
    with acting(app):
        message = written(kind, user_id)
    assert message is not None
    return message


def path_of(message: Email) -> str:
    """The path of its link."""
    assert message.link is not None
    return urlsplit(message.link).path


def link_path(app: Flask, kind: str, person: Person) -> str:
    """The path of the link in an email of this kind to this person, written now."""
    return path_of(email_of(app, kind, person.id))


def send_queued_emails(app: Flask) -> None:
    """Run the queued jobs, as the worker does."""
    with ThreadPoolExecutor(1) as apart:  # a browser's test has a loop of its own
        apart.submit(asyncio.run, work(queue_of(app), until_empty=True)).result(60)
