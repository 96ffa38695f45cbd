"""The pages of jobs, for each role and tenant, plain and through htmx."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from portal.core.clock import now
from portal.core.db import command, db
from portal.jobs.models import Job
from portal.jobs.words import in_words
from tests.acting import acting
from tests.cast import Person, SignIn, page_client
from tests.jobs.counting import counting, job_of, started
from tests.pages import HTMX, PageClient


@pytest.fixture(autouse=True)
def kind(app: Flask) -> Iterator[None]:
    with counting(app):
        yield


def put(app: Flask, job_id: uuid.UUID, **values: object) -> None:
    @command
    def run() -> None:
        job = db.session.get_one(Job, job_id)
        for name, value in values.items():
            setattr(job, name, value)

    with acting(app):
        run()


def test_admins_see_the_jobs_of_their_organization_only(
    app: Flask, ada: Person, bea: Person, root: Person, uma: Person
) -> None:
    ours, theirs, roots = (started(app, person) for person in (ada, bea, root))

    for person, seen in ((ada, {ours}), (bea, {theirs}), (root, {ours, theirs, roots})):
        client = page_client(app, person)
        listed = client.get("/jobs/").text
        assert {one for one in (ours, theirs, roots) if f"/jobs/{one}/" in listed} == seen
        assert {one for one in (ours, theirs, roots) if client.get(f"/jobs/{one}/").status_code == 200} == seen
    assert page_client(app, uma).get("/jobs/").status_code == 403


@pytest.mark.parametrize("what", ["cancel", "retry"])
def test_a_job_of_another_organization_cannot_be_controlled(app: Flask, ada: Person, bea: Person, what: str) -> None:
    job_id = started(app, bea)
    put(app, job_id, state="running" if what == "cancel" else "failed")

    client = page_client(app, ada)
    assert client.send(f"/jobs/{job_id}/{what}", at="/users/new").status_code == 404

    assert job_of(app, job_id).state == ("running" if what == "cancel" else "failed")


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_canceling_and_retrying_a_job(app: Flask, ada: Person, headers: dict[str, str]) -> None:
    client, job_id = page_client(app, ada), started(app, ada)
    page = f"/jobs/{job_id}/"

    client.send(f"{page}cancel", at=page, headers=headers)
    assert job_of(app, job_id).state == "canceled"
    assert "Counting canceled. Nothing was changed." in client.get(page).text
    client.send(f"{page}cancel", at="/users/new")
    assert "had already ended" not in client.get(page).text  # canceling twice is fine
    client.send(f"{page}retry", at=page, headers=headers)
    assert job_of(app, job_id).state == "waiting"

    put(app, job_id, state="done", ended_at=now())
    for what, answer in (("retry", "nothing to retry"), ("cancel", "had already ended")):
        client.send(f"{page}{what}", at="/users/new")
        assert answer in client.get(page).text
    assert job_of(app, job_id).state == "done"


def test_the_page_polls_while_the_job_is_running_and_then_stops(app: Flask, ada: Person) -> None:
    client, job_id = page_client(app, ada), started(app, ada, 1_000)
    put(app, job_id, state="running", done=250, started_at=now() - timedelta(seconds=10))

    progress = client.get(f"/jobs/{job_id}/", headers=HTMX).text
    assert 'hx-trigger="every 2s"' in progress
    assert "<h1" not in progress
    assert 'max="1000" value="250"' in progress
    assert "250 of 1,000 teams" in progress
    assert "about 30 seconds left" in progress
    assert "Reload" in client.get(f"/jobs/{job_id}/").text

    put(app, job_id, state="partly failed", done=1_000, failed=3, ended_at=now())
    progress = client.get(f"/jobs/{job_id}/", headers=HTMX).text
    assert "hx-trigger" not in progress
    assert "Partly failed" in progress
    assert "3 of 1,000 failed" in progress


def test_the_navigation_shows_that_something_is_running_to_its_owner(app: Flask, ada: Person, root: Person) -> None:
    started(app, ada)

    assert "1 running" in page_client(app, ada).get("/users/").text
    assert "1 running" not in page_client(app, root).get("/users/").text


def test_only_the_owner_is_promised_a_message(app: Flask, ada: Person, root: Person) -> None:
    page = f"/jobs/{started(app, ada)}/"

    promised = "You can leave this page. You’ll see a message when the job ends.</p>"
    assert f"It starts as soon as a worker is free. {promised}" in page_client(app, ada).get(page).text
    assert "You can leave this page.</p>" in page_client(app, root).get(page).text


def test_the_result_is_announced_once_to_its_owner(app: Flask, ada: Person, root: Person) -> None:
    client, job_id = page_client(app, ada), started(app, ada)
    other = page_client(app, root)
    put(app, job_id, state="partly failed", done=5, failed=1, ended_at=now())

    assert "Counting: partly failed" not in other.get("/users/").text
    assert "Counting: partly failed" not in client.get("/users/", headers=HTMX).text
    page = client.get("/users/").text
    assert "Counting: partly failed. 5 teams, 1 failed." in page
    assert f"/jobs/{job_id}/" in page
    assert "Counting: partly failed" not in client.get("/users/").text


def test_nothing_is_announced_to_someone_who_watched_it_end(app: Flask, ada: Person) -> None:
    client, job_id = page_client(app, ada), started(app, ada)
    put(app, job_id, state="done", done=5, ended_at=now())

    client.get(f"/jobs/{job_id}/", headers=HTMX)

    assert "Counting: done" not in client.get("/users/").text


@pytest.mark.parametrize("query", ["", "?status=open", "?status=failed", "?q=x&sort=-name&after=x&page=last"])
def test_the_list_accepts_any_arguments(
    app: Flask, client: PageClient, sign_in: SignIn, ada: Person, query: str
) -> None:
    sign_in(ada)
    assert "No " in client.get(f"/jobs/{query}").text
    started(app, ada)
    put(app, started(app, ada), state="failed", ended_at=now())

    for headers in ({}, HTMX):
        assert client.get(f"/jobs/{query}", headers=headers).status_code == 200
    assert client.get("/jobs/?status=open").text.count(">Counting<") == 1


def test_durations_read_naturally() -> None:
    assert [in_words(seconds) for seconds in (0.2, 1, 100, 119, 120, 7_199, 7_200)] == [
        "1 second", "1 second", "100 seconds", "119 seconds", "2 minutes", "120 minutes", "2 hours",
    ]  # fmt: skip


def test_the_database_accepts_no_other_state(app: Flask, ada: Person) -> None:
    job_id = started(app, ada)
    with acting(app), pytest.raises(Exception, match="jobs_state_check"), db.session.begin_nested():
        db.session.execute(text("UPDATE jobs SET state = 'lost' WHERE id = :id"), {"id": job_id})
