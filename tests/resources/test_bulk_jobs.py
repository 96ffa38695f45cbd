"""Changes of more rows than one request should change."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from psycopg import errors as pg
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from portal.activity import operation_undo
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.history import Activity
from portal.core.operations import Operation
from portal.jobs import commands
from portal.jobs.models import Job
from portal.jobs.running import run
from portal.resources import deciding, selecting
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, page_client
from tests.mailbox import waiting
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
    undone = undo(client, operation.id)
    assert active(fresh_app, crew) == [False] * 3
    work(fresh_app, undone)
    assert active(fresh_app, crew) == [True] * 3
    ended = job_of(fresh_app, undone)
    assert (ended.state, ended.done, ended.result["kept"]) == ("done", 3, [])
    with acting(fresh_app, ada):
        undoing = db.session.scalars(select(Operation).where(Operation.id == uuid.UUID(ended.result["operation"])))
        assert [(one.events, one.undoes) for one in undoing] == [(3, operation.id)]


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


def undo(client: PageClient, operation: uuid.UUID) -> uuid.UUID:
    """Confirm an undo of all changes, and return the job."""
    done = agree(client, client.post(f"/activity/{operation}/undo", data=token(client)))
    assert done.status_code == 303, text_of(done.text)
    return uuid.UUID(done.headers["Location"].split("/")[2])


def deactivated(app: Flask, client: PageClient) -> uuid.UUID:
    """Deactivate all people with a job. Returns the operation."""
    job, _ = started(app, client)
    work(app, job)
    return uuid.UUID(job_of(app, job).result["operation"])


def test_an_undo_job_leaves_what_changed_since_and_lists_it(
    fresh_app: Flask, client: PageClient, crew: list[uuid.UUID]
) -> None:
    job = undo(client, deactivated(fresh_app, client))
    with acting(fresh_app):
        set_values(crew[0], is_active=True)
        set_values(crew[1], deleted_at=now())

    work(fresh_app, job)

    assert active(fresh_app, [crew[0], crew[2]]) == [True, True]
    ended = job_of(fresh_app, job)
    assert (ended.state, ended.done, ended.failed) == ("partly failed", 3, 1)
    page = text_of(client.get(f"/jobs/{job}/").text)
    assert "1 of 3 failed. The others are done." in page
    assert "Already as before Crew0 Example" in page
    assert "Deleted in the meantime, or not visible to you 1" in page


def test_an_undo_job_that_is_canceled_or_killed_in_the_middle_has_undone_nothing(
    fresh_app: Flask, client: PageClient, ada: Person, crew: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = undo(client, deactivated(fresh_app, client))

    def cancel(*_: object, **__: object) -> None:
        with acting(fresh_app, ada):
            commands.cancel(job)

    with monkeypatch.context() as patched:
        patched.setattr(Job, "advance", lost)
        with pytest.raises(OperationalError):
            work(fresh_app, job)
    assert active(fresh_app, crew) == [False] * 3

    with monkeypatch.context() as patched:
        patched.setattr(Job, "advance", cancel)
        work(fresh_app, job)
    assert active(fresh_app, crew) == [False] * 3
    assert (job_of(fresh_app, job).state, job_of(fresh_app, job).done) == ("canceled", 0)

    assert client.post(f"/jobs/{job}/retry", data=token(client)).status_code == 303
    for _ in range(2):
        work(fresh_app, job)
    assert active(fresh_app, crew) == [True] * 3
    assert (job_of(fresh_app, job).state, job_of(fresh_app, job).done) == ("done", 3)


def lost(*_: object, **__: object) -> None:
    raise OperationalError("", {}, pg.OperationalError())


def test_an_operation_with_too_many_events_cannot_be_undone_together(
    fresh_app: Flask, client: PageClient, crew: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    operation = deactivated(fresh_app, client)
    assert f"/activity/{operation}/undo" in client.get(f"/activity/{operation}").text
    monkeypatch.setattr(operation_undo, "MOST_EVENTS", 2)

    assert f"/activity/{operation}/undo" not in client.get(f"/activity/{operation}").text
    assert client.post(f"/activity/{operation}/undo", data=token(client)).status_code == 404


def chosen(client: PageClient, path: str, action: str) -> uuid.UUID:
    """Confirm an action on all rows, and return the job."""
    done = agree(client, choose(client, path, action, all="1"))
    assert done.status_code == 303, text_of(done.text)
    return uuid.UUID(done.headers["Location"].split("/")[2])


def test_sessions_of_many_people_are_ended_by_a_job(
    fresh_app: Flask, client: PageClient, ada: Person, crew: list[uuid.UUID]
) -> None:
    build = Builder(fresh_app)
    people = [replace(ada, id=key, email=build.read(User, key).email) for key in crew]
    browsers = [page_client(fresh_app, one) for one in people]
    job = chosen(client, "/users/", "end-sessions")
    browsers[0].post("/logout", data=token(browsers[0]))

    work(fresh_app, job)

    assert [one.get("/account/").status_code for one in (*browsers, client)] == [303, 303, 303, 200]
    assert (job_of(fresh_app, job).state, job_of(fresh_app, job).done) == ("done", 3)
    assert "Not signed in Crew0 Example" in text_of(client.get(f"/jobs/{job}/").text)
    with acting(fresh_app, ada):
        events = db.session.scalars(select(Activity).where(Activity.action == "end_sessions")).all()
    assert {(one.actor_id, one.organization_id) for one in events} == {(ada.id, ada.organization_id)}
    assert {one.row_id for one in events} == set(crew[1:])


def test_invitations_of_many_people_are_sent_by_a_job_exactly_once(
    fresh_app: Flask, client: PageClient, ada: Person, crew: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    with acting(fresh_app):
        for key in crew:
            set_values(key, invited_at=now())
    job = chosen(client, "/users/?status=invited", "invite")
    assert invited(fresh_app) == []
    with acting(fresh_app):
        set_values(crew[0], accepted_at=now())
    with monkeypatch.context() as patched:
        patched.setattr(Job, "advance", lost)
        with pytest.raises(OperationalError):
            work(fresh_app, job)
    assert invited(fresh_app) == []

    for _ in range(2):
        work(fresh_app, job)

    assert invited(fresh_app) == sorted(map(str, crew[1:]))
    assert "No open invitation Crew0 Example" in text_of(client.get(f"/jobs/{job}/").text)


def invited(app: Flask) -> list[str]:
    with acting(app):
        return sorted(str(one["user_id"]) for one in waiting(app) if one.get("kind") == "invitation")


@pytest.mark.parametrize("action", ["deactivate", "end-sessions"])
def test_a_job_of_somebody_who_may_no_longer_do_this_does_nothing(
    fresh_app: Flask, client: PageClient, ada: Person, crew: list[uuid.UUID], action: str
) -> None:
    build = Builder(fresh_app)
    browsers = [page_client(fresh_app, replace(ada, id=key, email=build.read(User, key).email)) for key in crew]
    job = chosen(client, "/users/?q=crew", action)
    with acting(fresh_app):
        set_values(ada.id, role=Role.USER)

    work(fresh_app, job)

    assert job_of(fresh_app, job).state == "failed"
    assert active(fresh_app, crew) == [True] * 3
    assert [one.get("/account/").status_code for one in browsers] == [200] * 3


def test_more_rows_than_a_job_changes_are_refused(
    client: PageClient, crew: list[uuid.UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selecting, "MOST", 2)

    answer = choose(client, "/users/?q=crew", "deactivate", all="1")

    assert answer.status_code == 400
    assert "More than 2 people can't be changed at once. Narrow the list" in text_of(answer.text)
