"""Imports apply every row exactly once, under the rules for changes of many people, and undo exactly what they did."""

from __future__ import annotations

import io
import subprocess
import sys
import uuid
from collections import Counter
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from portal.config import ROOT
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.history import Activity
from portal.imports import applying, commands, people_by_sql, uploads
from portal.imports.models import Import, ImportRow
from portal.jobs import commands as jobs
from portal.jobs import running
from portal.jobs.models import Job
from portal.teams.models import Team, TeamMember
from portal.tokens.models import Session
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant, page_client
from tests.database import SECRET_KEY
from tests.imports.test_views import settings
from tests.mailbox import jobs as emails
from tests.rounds import rounds

KILLS = rounds("KILLS", 20)
ELSEWHERE = "Email: this address can't be used here. Ask your system administrator."
EVERYTHING = ["first_name", "last_name", "role", "is_active"]
# A process that runs a job in children, which are killed at a random moment soon after their first few commits, long
# before they could end by themselves. It has no connection of its own.
KILLER = """
import os, random, signal, sys, uuid
from sqlalchemy import event
from sqlalchemy.engine import Engine
from portal import create_app
from portal.config import load_settings
from portal.imports import uploads
from portal.jobs import running

job_id, kills, uploads.BATCH = uuid.UUID(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
app, killed, commits = create_app(load_settings()), 0, 0


@event.listens_for(Engine, "commit")
def count(connection):
    global commits
    commits += 1
    if commits == last:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.005))


for _ in range(kills):
    last = random.randint(1, 4)
    child = os.fork()
    if not child:
        with app.app_context():
            running.run(job_id)
        os._exit(0)
    killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGALRM
print(killed)
"""


def received(app: Flask, person: Person, content: str, **options: Any) -> uuid.UUID:
    with acting(app, person):
        return commands.receive("people.csv", io.BytesIO(content.encode()), options)


def run(app: Flask, job_id: uuid.UUID | None) -> Job:
    """Do the job, in as many of a worker's turns as it takes on a slow machine."""
    assert job_id
    for _ in range(20):
        with app.app_context():
            running.run(job_id)
        job: Job = Builder(app).read(Job, job_id)
        if job.state != "running":
            break
    return job


def imported(app: Flask, person: Person, content: str, **options: Any) -> tuple[uuid.UUID, Job]:
    import_id = received(app, person, content, **options)
    with acting(app, person):
        job_id = commands.begin(import_id)
    return import_id, run(app, job_id)


def undone(app: Flask, person: Person, import_id: uuid.UUID) -> Job:
    with acting(app, person):
        job_id = commands.undo(import_id)
    return run(app, job_id)


def rows(app: Flask, import_id: uuid.UUID) -> list[tuple[str, str | None]]:
    with acting(app):
        found = select(ImportRow.verdict, ImportRow.reason).where(ImportRow.import_id == import_id)
        return [(verdict, reason) for verdict, reason in db.session.execute(found.order_by(ImportRow.number))]


def user(app: Flask, email: str) -> Any:
    with acting(app):
        return db.session.scalar(select(User).where(User.email == email))


def team_of(app: Flask, tenant: Tenant) -> uuid.UUID:
    @command
    def add() -> uuid.UUID:
        team = Team(id=uuid.uuid4(), name="Drivers", organization_id=tenant.id)
        db.session.add(team)
        return team.id

    with acting(app):
        return add()


def promote(app: Flask, person: Person, role: Role) -> None:
    with acting(app):
        command(lambda: db.session.execute(update(User).where(User.id == person.id).values(role=role)))()


@pytest.fixture
def otto(build: Builder, acme: Tenant) -> Person:
    return build.person("otto@example.com", first_name="Otto", last_name="Old", tenant=acme)


def test_only_the_chosen_fields_of_existing_people_are_overwritten(app: Flask, ada: Person, otto: Person) -> None:
    file = f"Email,First name,Last name,Role,Active\n{otto.email},Max,New,Admin,no\n"

    imported(app, ada, file, overwrites=["last_name"])

    after = user(app, otto.email)
    assert (after.first_name, after.last_name, after.role, after.is_active) == ("Otto", "New", Role.USER, True)


@pytest.mark.parametrize("overwrites", [[], EVERYTHING])
def test_empty_cells_and_missing_columns_overwrite_nothing(
    app: Flask, ada: Person, otto: Person, overwrites: list[str]
) -> None:
    import_id = received(app, ada, f"Email,First name,Role\n{otto.email},,\n", overwrites=overwrites)

    assert rows(app, import_id) == [("unchanged", None)]


def test_roles_and_status_are_overwritten_with_their_consequences_and_undone(
    app: Flask, ada: Person, otto: Person
) -> None:
    page_client(app, otto)
    file = f"Email,Last name,Role,Active\n{otto.email},New,Admin,no\nnew@example.com,Nia,,\n"

    import_id, job = imported(app, ada, file, overwrites=EVERYTHING)

    after = user(app, otto.email)
    assert (job.state, after.last_name, after.role, after.is_active) == ("done", "New", Role.ADMIN, False)
    with acting(app):
        assert set(db.session.scalars(select(Session.ended_at.is_(None)).where(Session.user_id == otto.id))) == {False}
    assert undone(app, ada, import_id).state == "done"
    after = user(app, otto.email)
    assert (after.first_name, after.last_name, after.role, after.is_active) == ("Otto", "Old", Role.USER, True)
    assert user(app, "new@example.com") is None


def test_an_import_does_not_change_ones_own_access(app: Flask, root: Person) -> None:
    import_id = received(app, root, f"Email,Active\n{root.email},no\n", overwrites=["is_active"])

    assert rows(app, import_id) == [("refused", "Your own account.")]


def test_an_import_of_somebody_who_was_demoted_stops(app: Flask, build: Builder) -> None:
    boss = build.person("boss@example.com", role=Role.SUPER_ADMIN)
    import_id = received(app, boss, "Email,Role\na@example.com,Super admin\nb@example.com,User\n")
    with acting(app, boss):
        job_id = commands.begin(import_id)
    promote(app, boss, Role.ADMIN)

    job = run(app, job_id)

    assert (job.state, job.message) == ("failed", running.NO_OWNER)
    assert (user(app, "a@example.com"), user(app, "b@example.com")) == (None, None)


def test_people_are_created_with_the_role_and_team_of_the_import_and_invited(
    app: Flask, ada: Person, acme: Tenant
) -> None:
    team = team_of(app, acme)

    imported(
        app, ada, "Email,Role\na@example.com,\nb@example.com,User\n", role="ADMIN", team_id=str(team), invites=True
    )

    assert [user(app, f"{name}@example.com").role for name in "ab"] == [Role.ADMIN, Role.USER]
    with acting(app):
        members = select(User.email).join(TeamMember, TeamMember.user_id == User.id).where(TeamMember.team_id == team)
        assert set(db.session.scalars(members)) == {"a@example.com", "b@example.com"}
    assert {kind for kind, _ in emails(app)} == {"invitation"}
    assert len(emails(app)) == 2


@pytest.mark.parametrize("reach", ["foreign team", "foreign role"])
def test_options_beyond_ones_own_rights_create_nobody(app: Flask, ada: Person, birch: Tenant, reach: str) -> None:
    team = team_of(app, birch)
    options = {"team_id": str(team)} if reach == "foreign team" else {"role": "SUPER_ADMIN"}

    _, job = imported(app, ada, "Email\na@example.com\n", **options)

    assert (job.state, user(app, "a@example.com")) == ("failed", None)
    with acting(app):
        assert db.session.scalar(select(func.count()).select_from(TeamMember).where(TeamMember.team_id == team)) == 0


@pytest.fixture
def canceled(app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch) -> tuple[uuid.UUID, uuid.UUID]:
    """An import of 30 people that was canceled after 10, and its job."""
    import_id = received(app, ada, "Email\n" + "\n".join(f"p{number}@example.com" for number in range(30)))
    monkeypatch.setattr(uploads, "BATCH", 10)
    with acting(app, ada):
        job_id = commands.begin(import_id)
    with app.app_context():
        assert running._run_batch(job_id)
    with acting(app, ada):
        jobs.cancel(job_id)
    return import_id, job_id


def test_an_import_canceled_in_the_middle_undoes_what_it_did(
    app: Flask, ada: Person, canceled: tuple[uuid.UUID, uuid.UUID]
) -> None:
    import_id, _ = canceled
    assert (user(app, "p9@example.com") is not None, user(app, "p10@example.com")) == (True, None)

    job = undone(app, ada, import_id)

    assert (job.state, job.done, job.failed, job.total) == ("done", 10, 0, 10)
    assert user(app, "p9@example.com") is None


def test_a_file_that_cannot_be_read_to_its_end_can_be_read_in_another_encoding(
    app: Flask, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BATCH", 1_000)
    lines = [f"p{number}@example.com,{'x' * 60}" for number in range(2_500)]
    content = ("Email,First name\n" + "\n".join(lines) + "\nlast@example.com,Jörg").encode("cp1252")
    with acting(app, ada):
        import_id = commands.receive("people.csv", io.BytesIO(content), {})
    job = run(app, Builder(app).read(Import, import_id).job_id)
    assert job.state == "failed"
    assert str(job.message).endswith("the file is not valid UTF-8. Choose its encoding.")

    client = page_client(app, ada)
    assert f"{job.message} Change the settings below" in client.get(f"/imports/{import_id}/").text
    settings(client, import_id, encoding="cp1252")
    job = run(app, Builder(app).read(Import, import_id).job_id)

    assert (job.state, job.done, job.total) == ("done", 2_501, 2_501)
    assert Counter(verdict for verdict, _ in rows(app, import_id)) == {"create": 2_501}


def test_re3_an_import_that_is_killed_again_and_again_applies_every_row_exactly_once(
    fresh_app: Flask, fresh_database: str
) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    otto = build.person("otto@example.com", first_name="Otto", tenant=acme)
    many, bad = 300 * KILLS, 3 * KILLS
    content = "Email,First name\n" + "".join(
        f"p{number}@example.com,Ann\n" if number % 100 else f"bad{number},Ann\n" for number in range(many - 1)
    )
    import_id = received(fresh_app, ada, f"{content}otto@example.com,Max\n", overwrites=["first_name"])

    def killed(job_id: uuid.UUID | None, times: int, batch: int) -> Job:
        """Run the job to its end, after it was killed so many times."""
        environment = {"DATABASE_URL": fresh_database, "SECRET_KEY": SECRET_KEY, "PATH": ""}
        command = [sys.executable, "-c", KILLER, str(job_id), str(times), str(batch)]
        kills = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)  # noqa: S603
        assert int(kills) == times
        return run(fresh_app, job_id)

    assert killed(Builder(fresh_app).read(Import, import_id).job_id, KILLS // 4, 100).done == many
    before = Counter(verdict for verdict, _ in rows(fresh_app, import_id))
    assert before == {"create": many - bad - 1, "update": 1, "refused": bad}
    with acting(fresh_app, ada):
        job_id = commands.begin(import_id)
    job = killed(job_id, KILLS // 2, 40)

    assert (job.state, job.done, job.failed) == ("partly failed", many, bad)
    assert Counter(verdict for verdict, _ in rows(fresh_app, import_id)) == before
    created = select(Activity.row_id).where(Activity.table_name == "users", Activity.action == "create")
    with acting(fresh_app):
        people = select(User.id).where(User.email.like("p%@example.com"))
        keys, events = db.session.scalars(people).all(), Counter(db.session.scalars(created))
    assert len(keys) == many - bad - 1
    assert {events[key] for key in keys} == {1}
    assert (user(fresh_app, otto.email).first_name, user(fresh_app, otto.email).version) == ("Max", 2)
    with acting(fresh_app, ada):
        job_id = commands.undo(import_id)
    job = killed(job_id, KILLS // 4, 100)
    assert (job.state, job.done, user(fresh_app, otto.email).first_name) == ("done", many, "Otto")
    with acting(fresh_app):
        assert db.session.scalars(people).all() == []


def test_addresses_of_other_organizations_are_counted_before_any_of_them_is_named(
    app: Flask, ada: Person, build: Builder, birch: Tenant, change_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "BATCH", 3)
    change_settings(foreign_addresses_per_hour=2)
    foreign = [build.person(f"foreign{number}@example.com", tenant=birch).email for number in range(5)]
    free = [f"free{number}@example.com" for number in range(3)]

    import_id = received(app, ada, "\n".join(["Email", *foreign[:1], *free, *foreign[1:], *free]))
    assert rows(app, import_id)[0] == ("refused", ELSEWHERE)
    job = run(app, Builder(app).read(Import, import_id).job_id)

    assert (job.state, job.done) == ("done", 6)
    assert rows(app, import_id) == [("refused", people_by_sql.TOO_MANY_ELSEWHERE)] * 6


def test_overwriting_sends_no_more_emails_than_other_changes(
    app: Flask, ada: Person, build: Builder, acme: Tenant
) -> None:
    invited = build.person("invited@example.com", tenant=acme, invited_at=now())
    sent = 0
    for number in range(10):
        role = "Admin" if number % 2 == 0 else "User"
        import_id, _ = imported(app, ada, f"Email,Role\n{invited.email},{role}\n", overwrites=["role"])
        sent = len(emails(app))
        if rows(app, import_id)[0][0] == "refused":
            break

    assert rows(app, import_id) == [("refused", "Too many emails in the last hour.")]
    assert sent < 10


def test_a_former_job_of_an_import_cannot_be_continued(
    app: Flask, ada: Person, canceled: tuple[uuid.UUID, uuid.UUID]
) -> None:
    import_id, job_id = canceled
    undone(app, ada, import_id)

    with acting(app, ada):
        jobs.retry(job_id)
    job = run(app, job_id)

    assert (job.state, job.message) == ("failed", applying.SUPERSEDED)
    assert (user(app, "p1@example.com"), user(app, "p11@example.com")) == (None, None)
    assert Builder(app).read(Import, import_id).state == "undone"
