"""Changes of more rows than one request should change."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.db import db
from portal.core.operations import Operation
from portal.jobs.models import Job
from portal.jobs.running import run
from portal.resources import deciding, selecting
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, page_client
from tests.pages import PageClient, text_of
from tests.selecting import agree, choose, set_values


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "AT_ONCE", 2)


@pytest.fixture
def ada(fresh_app: Flask) -> Person:
    build = Builder(fresh_app)
    return build.person("ada@example.com", role=Role.ADMIN, tenant=build.tenant("Acme"))


@pytest.fixture
def crew(fresh_app: Flask, ada: Person) -> list[uuid.UUID]:
    build = Builder(fresh_app)
    home: Any = build.tenant("Unused")
    people = [build.person(f"crew{place}@example.com", tenant=home).id for place in range(3)]
    with acting(fresh_app):
        for key in people:
            set_values(key, organization_id=ada.organization_id)
    return people


@pytest.fixture
def client(fresh_app: Flask, ada: Person) -> PageClient:
    return page_client(fresh_app, ada)


def started(app: Flask, client: PageClient) -> tuple[uuid.UUID, str]:
    """Confirm a change of all people, and return the job and its page."""
    asked = choose(client, "/users/?q=crew", "deactivate", all="1")
    assert "Deactivate 3 people?" in text_of(asked.text)
    done = agree(client, asked)
    assert done.status_code == 303
    return uuid.UUID(done.headers["Location"].split("/")[2]), text_of(client.get(done.headers["Location"]).text)


def work(app: Flask, job_id: uuid.UUID) -> None:
    with app.app_context():
        run(job_id)


def active(app: Flask, ids: list[uuid.UUID]) -> list[bool]:
    with acting(app):
        return [db.session.scalars(select(User.is_active).where(User.id == key)).one() for key in ids]


def job_of(app: Flask, job_id: uuid.UUID) -> Job:
    with acting(app):
        return db.session.scalars(select(Job).where(Job.id == job_id)).one()


def test_a_large_change_is_a_job_and_one_operation(
    fresh_app: Flask, client: PageClient, ada: Person, crew: list[uuid.UUID]
) -> None:
    job, page = started(fresh_app, client)
    assert "Deactivate 3 people" in page
    assert active(fresh_app, crew) == [True] * 3

    work(fresh_app, job)

    assert active(fresh_app, crew) == [False] * 3
    ended = job_of(fresh_app, job)
    assert (ended.state, ended.done, ended.total) == ("done", 3, 3)
    with acting(fresh_app, ada):
        operation = db.session.scalars(
            select(Operation).where(Operation.id == uuid.UUID(ended.result["operation"]))
        ).one()
        assert (operation.events, operation.actor_id) == (3, ada.id)
    assert agree(client, client.post(f"/activity/{operation.id}/undo", data=token(client))).status_code == 303
    assert active(fresh_app, crew) == [True] * 3


def token(client: PageClient) -> dict[str, str]:
    return {"csrf_token": client.form("/account/")["csrf_token"]}


def test_a_job_whose_rows_changed_meanwhile_changes_none(
    fresh_app: Flask, client: PageClient, crew: list[uuid.UUID]
) -> None:
    job, _ = started(fresh_app, client)
    with acting(fresh_app):
        set_values(crew[0], is_active=False)

    work(fresh_app, job)

    assert active(fresh_app, crew) == [False, True, True]
    ended = job_of(fresh_app, job)
    assert (ended.state, ended.message) == (
        "failed", "Some of the rows changed in the meantime, so nothing was done. Select them again.",
    )  # fmt: skip


def test_rows_that_changed_before_the_job_starts_are_named(
    fresh_app: Flask, client: PageClient, crew: list[uuid.UUID]
) -> None:
    build = Builder(fresh_app)
    asked = choose(client, "/users/?q=crew", "deactivate", all="1")
    with acting(fresh_app):
        set_values(build.person("crew9@example.com").id, organization_id=build.read(User, crew[0]).organization_id)

    again = agree(client, asked)

    assert "it was 3, and is 4 now." in text_of(again.text)
    with acting(fresh_app):
        assert db.session.scalars(select(Job)).all() == []


def test_what_the_system_does_for_somebody_is_not_done_for_more_people_than_a_request_can(
    client: PageClient, crew: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "AT_ONCE", 2)

    answer = choose(client, "/users/?q=crew", "end-sessions", all="1")

    assert answer.status_code == 400
    assert "More than 2 people can't be changed at once." in text_of(answer.text)


def test_more_rows_than_a_job_changes_are_refused(
    client: PageClient, crew: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "MOST", 2)

    answer = choose(client, "/users/?q=crew", "deactivate", all="1")

    assert answer.status_code == 400
    assert "More than 2 people can't be changed at once. Narrow the list" in text_of(answer.text)
