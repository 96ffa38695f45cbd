"""How does a test act as one of the cast, or as many at once?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import update

from portal import create_app
from portal.core.actor import SYSTEM, Actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.data_browser.reading import reading
from portal.tokens.models import Session
from portal.web.given import current_settings
from tests.cast import Person
from tests.database import disconnect, settings_for
from tests.pages import PageClient

R = TypeVar("R")


@pytest.fixture
def scoping_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch row-level security off, so that only core/scoping.py is active."""
    monkeypatch.setattr("portal.core.db.TENANT_ROLE", "none")


@pytest.fixture
def at_settings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Give the shared application other settings for one test."""

    def change(**changes: Any) -> None:
        monkeypatch.setitem(app.extensions, current_settings.key, replace(current_settings.of(app), **changes))

    return change


def actor_of(person: Person | None) -> Actor:
    """The person as an Actor; None is the system."""
    return SYSTEM if person is None else Actor(person.id, person.role, person.organization_id)


@contextmanager
def acting(app: Flask, person: Person | None = None) -> Iterator[None]:
    """An application context in which this person acts; the system unless one is named."""
    with app.app_context(), acting_as(actor_of(person)):
        yield


@contextmanager
def portal_on(address: str, **changes: Any) -> Iterator[Flask]:
    """Another portal on a database, with other settings; the test client is the one that checks pages."""
    app = create_app(replace(settings_for(address), **changes))
    app.testing = True
    app.test_client_class = PageClient
    try:
        yield app
    finally:
        disconnect(app)


@contextmanager
def busy(app: Flask, person: Person) -> Iterator[None]:
    """The person reads in the data browser, in a thread of its own, until the block ends."""
    begun, ended = threading.Event(), threading.Event()

    def read() -> None:
        with acting(app, person), reading(30):
            begun.set()
            ended.wait(30)

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(30)
    try:
        yield
    finally:
        ended.set()
        thread.join(30)


@command
def say_who_long_ago(person: Person, minutes: float = 16) -> None:
    """Let the person's sign-ins be as old as that; they said so long ago who they are."""
    aged = (
        update(Session).where(Session.user_id == person.id).values(authenticated_at=now() - timedelta(minutes=minutes))
    )
    db.session.execute(aged, execution_options={"synchronize_session": False})


def at_once(app: Flask, works: Sequence[Callable[[], R]], *persons: Person) -> list[R | Exception]:
    """Run each work in a thread of its own, all let go at one moment, as these persons in turn (none: the system).

    Returns what each gave or raised, in their order.
    """
    gate = threading.Barrier(len(works))
    outcomes: list[R | Exception] = [RuntimeError("did not run")] * len(works)

    def run(place: int) -> None:
        with acting(app, persons[place % len(persons)] if persons else None):
            gate.wait(timeout=30)
            try:
                outcomes[place] = works[place]()
            except Exception as error:
                outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return outcomes
