"""What letters wait, and what do they say?"""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from flask import Flask
from sqlalchemy import text

from portal.core.db import db
from portal.mail.letters import Letter, written
from portal.mail.queue import queue_of, work
from tests.acting import acting

WAITING = text("SELECT args FROM queue.procrastinate_jobs WHERE status = 'todo' ORDER BY id")


def waiting(app: Flask) -> list[dict[str, str | int]]:
    """What each waiting job holds."""
    with acting(app):
        return list(db.session.scalars(WAITING))


def jobs(app: Flask) -> list[tuple[str, uuid.UUID]]:
    """The kind of each waiting letter, and whom it is for."""
    return [(str(one["kind"]), uuid.UUID(str(one["user_id"]))) for one in waiting(app)]


def letters(app: Flask) -> list[Letter]:
    """The letters that are due now, as a worker would write them."""
    with acting(app):
        return [
            letter
            for one in waiting(app)
            if (letter := written(str(one["kind"]), uuid.UUID(str(one["user_id"])), event_of(one)))
        ]


def event_of(job: dict[str, str | int]) -> int | None:
    return int(job["event"]) if "event" in job else None


def letter_of(app: Flask, kind: str, user_id: uuid.UUID) -> Letter:
    """One of this kind, written now; somebody must be there to get it."""
    with acting(app):
        letter = written(kind, user_id)
    assert letter is not None
    return letter


def path_of(letter: Letter) -> str:
    """Where its link leads, without the portal's address."""
    assert letter.link is not None
    return urlsplit(letter.link).path


def send_waiting(app: Flask) -> None:
    """Do what waits, as a worker does."""
    with ThreadPoolExecutor(1) as apart:  # a browser's test has a loop of its own
        apart.submit(asyncio.run, work(queue_of(app), until_empty=True)).result(60)
