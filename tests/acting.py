"""Helpers that act as one person of the cast, or as several concurrently."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from portal.core.actor import SYSTEM, Actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.data_browser.reading import reading
from portal.tokens.models import Session
from portal.web.given import current_settings
from tests.cast import Person
from tests.database import app_for, disconnect
from tests.pages import PageClient

R = TypeVar("R")


@pytest.fixture
def scoping_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch row-level security off, leaving only core/scoping.py."""
    monkeypatch.setattr("portal.core.beginning.TENANT_ROLE", "none")


@pytest.fixture
def change_settings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change the shared application's settings for one test."""

    def change(**changes: Any) -> None:
        monkeypatch.setitem(app.extensions, current_settings.key, replace(current_settings.of(app), **changes))

    return change


def actor_of(person: Person | None) -> Actor:
    """The person as an Actor; None is the system."""
    return SYSTEM if person is None else Actor(person.id, person.role, person.organization_id)


@contextmanager
def acting(app: Flask, person: Person | None = None) -> Iterator[None]:
    """An application context that acts as this person, or as the system by default."""
    with app.app_context(), acting_as(actor_of(person)):
        yield


@contextmanager
def portal_on(address: str, **changes: Any) -> Iterator[Flask]:
    """A second portal on a database, with changed settings and the client that checks pages."""
    app = app_for(address, **changes)
    app.test_client_class = PageClient
    try:
        yield app
    finally:
        disconnect(app)


@contextmanager
def busy(app: Flask, person: Person) -> Iterator[None]:
    """Keep the data browser busy for this person in another thread until the block ends."""
    begun, ended = threading.Event(), threading.Event()

    def read() -> None:
        with acting(app, person), reading(600):
            begun.set()
            ended.wait(600)

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        ended.set()
        thread.join(60)


@command
def age_authentication(person: Person, minutes: float = 16) -> None:
    """Pretend that the person last entered their password this many minutes ago."""
    statement = (
        update(Session).where(Session.user_id == person.id).values(authenticated_at=now() - timedelta(minutes=minutes))
    )
    db.session.execute(statement, execution_options={"synchronize_session": False})


def run_concurrently(app: Flask, tasks: Sequence[Callable[[], R]], *persons: Person) -> list[R | Exception]:
    """Start each task in its own thread at the same moment, as these people in turn (by default as the system).

    Returns what each task returned or raised, in order.
    """
    gate = threading.Barrier(len(tasks))
    outcomes: list[R | Exception] = [RuntimeError("did not run")] * len(tasks)

    def run(index: int) -> None:
        with acting(app, persons[index % len(persons)] if persons else None):
            gate.wait(timeout=60)
            try:
                outcomes[index] = tasks[index]()
            except Exception as error:
                outcomes[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return outcomes


def within_one_minute(app: Flask, attempt: Callable[[int], R]) -> R:
    """Attempt it until one attempt, each with its number, ran within one minute of PostgreSQL's clock."""

    def minute() -> Any:
        with acting(app):
            return db.session.scalar(select(func.date_trunc("minute", func.clock_timestamp())))

    for number in itertools.count():
        began = minute()
        result = attempt(number)
        if minute() == began:
            return result
    raise AssertionError("unreachable")


def outcomes_of(results: list[Any]) -> Counter[str]:
    """How many results are values ("done"), and how many are which exception."""
    return Counter(type(one).__name__ if isinstance(one, Exception) else "done" for one in results)
