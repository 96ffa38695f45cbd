"""Compare downloads, an import and changes of many people with what PostgreSQL alone takes for the same rows.

They run in a copy of the database, which is dropped afterwards.
"""

from __future__ import annotations

import http.client
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import psycopg
from flask import Flask
from psycopg import sql
from sqlalchemy import make_url, select

from bench.browser import Browser
from bench.figures import table
from bench.programs import Program, signed_in
from bench.rows import SUPER_ADMIN, Rows, say
from bench.workloads import WrongPage
from portal.activity.operation_undo import JOB as UNDO
from portal.activity.operation_undo import parts_of
from portal.core.actor import Actor, Role
from portal.core.db import acting_as, db
from portal.imports import commands
from portal.imports.models import Import
from portal.jobs import running
from portal.jobs.commands import start
from portal.jobs.models import Job
from portal.resources.deciding import encoded, job_for
from portal.users.models import User
from portal.users.resource import resource as people

COPY_NAME = "bench_many"
IMPORTED, CHANGED = 100_000, 50_000  # people, as far as there are as many
BAD = 100  # every so many rows of the file has no valid address
DOWNLOADED = ("csv", "jsonl", "xlsx")
EXPORTED = b"""COPY (SELECT u.email, u.first_name, u.last_name, u.role, o.name, o.slug, u.is_active, u.email_verified,
    u.has_two_factor, u.last_sign_in_at, u.created_at, u.deleted_at, u.id
    FROM users u LEFT JOIN organizations o ON o.id = u.organization_id
    WHERE u.deleted_at IS NULL AND u.is_active AND (u.invited_at IS NULL OR u.accepted_at IS NOT NULL)
    AND (o.id IS NULL OR o.deleted_at IS NULL)) TO STDOUT (FORMAT csv)"""
COPIED = "COPY users (email, first_name, last_name, organization_id) FROM STDIN"
DEACTIVATED = "UPDATE users SET is_active = false WHERE id = ANY(%s)"
HEAD = ["what", "rows", "seconds", "rows per second", "floor: rows per second", "share of the floor", "first byte, ms"]


@contextmanager
def copied(rows: Rows) -> Iterator[Rows]:
    """A copy of the database for the block."""
    url = make_url(rows.url)
    server, copy = (url.set(database=name).render_as_string(hide_password=False) for name in ("postgres", COPY_NAME))
    drop = sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(sql.Identifier(COPY_NAME))
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(COPY_NAME), sql.Identifier(str(url.database))
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(drop)
        connection.execute(make)
        try:
            yield replace(rows, url=copy)
        finally:
            connection.execute(drop)


def downloads(program: Program, rounds: int) -> list[list[str]]:
    """The list of people in each format, and a bare COPY of the same people, in turns."""
    browser = signed_in(program, SUPER_ADMIN)
    floor, found = [_bare_copy(program.rows.url)], list[list[tuple[int, float, float]]]()
    for kind in DOWNLOADED:
        say(f"Download as {kind} ...")
        found.append([])
        for _ in range(rounds):
            found[-1].append(_download(browser, f"/users/export?format={kind}"))
            floor.append(_bare_copy(program.rows.url))
    many = floor[0][0]
    lines = []
    for kind, each in zip(DOWNLOADED, found, strict=True):
        seconds, first = (statistics.median(one[place] for one in each) for place in (1, 2))
        if kind != "xlsx" and each[0][0] - (kind == "csv") != many:
            raise WrongPage(f"the {kind} file has {each[0][0]:,} lines, and there are {many:,} people")
        bare = statistics.median(one[1] for one in floor)
        lines.append(_line(f"download as {kind}", many, seconds, bare, f"{first * 1000:.0f}"))
    return lines


def _bare_copy(url: str) -> tuple[int, float]:
    """How many rows, in how many seconds."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        begun, many = time.perf_counter(), 0
        with cursor.copy(EXPORTED) as rows:
            for _ in rows:
                many += 1
        return many, time.perf_counter() - begun


def _download(browser: Browser, path: str) -> tuple[int, float, float]:
    """How many lines, in how many seconds, and after how many the first byte came."""
    with closing(http.client.HTTPConnection("127.0.0.1", browser.port, timeout=600)) as connection:
        begun = time.perf_counter()
        connection.request("GET", path, headers=browser.headers)
        answer = connection.getresponse()
        lines = answer.read(1).count(b"\n")
        first = time.perf_counter() - begun
        if answer.status != 200:
            raise WrongPage(f"GET {path} answered {answer.status}")
        while part := answer.read(1 << 20):
            lines += part.count(b"\n")
        return lines, time.perf_counter() - begun, first


def changes(app: Flask, rows: Rows) -> list[list[str]]:
    """An import and a change of many people, as their pages and the worker do them."""
    actor = Actor(rows.super_admin, Role.SUPER_ADMIN)
    with app.app_context():
        try:
            with acting_as(actor):
                lines = [*_import(rows), *_change(rows)]
        finally:
            db.session.remove()
            db.engine.dispose()
    return lines


def _import(rows: Rows) -> Iterator[list[str]]:
    many = min(IMPORTED, rows.people)
    say(f"Import of {many:,} people ...")
    new = [(f"new{number}@bench.example.com", "Ada", f"Number {number}") for number in range(many)]
    texts = ("no address" if number % BAD == 0 else ",".join(one) for number, one in enumerate(new))
    file = BytesIO("\n".join(["Email,First name,Last name", *texts]).encode())
    bare = _rolled_back(rows.url, lambda cursor: _copy(cursor, [(*one, rows.organization) for one in new]))
    begun = time.perf_counter()
    import_id = commands.receive("people.csv", file, {"home_id": str(rows.organization)})
    if job_id := _one(Import, import_id).job_id:
        _run(job_id)
    checked = time.perf_counter() - begun
    job = _run(commands.begin(import_id))
    took = time.perf_counter() - begun
    if (job.done, job.failed) != (many, -(-many // BAD)):
        raise WrongPage(f"the import did {job.done:,} rows, of which {job.failed:,} failed")
    yield _line("reading and checking a file, 1% bad", many, checked, bare)
    yield _line("the whole import, from file to table", many, took, bare)


def _copy(cursor: psycopg.Cursor[Any], rows: Sequence[Sequence[Any]]) -> None:
    with cursor.copy(COPIED) as copy:
        for row in rows:
            copy.write_row(row)


def _change(rows: Rows) -> Iterator[list[str]]:
    many = min(CHANGED, rows.people // 2)
    say(f"Change of {many:,} people ...")
    active = select(User.id).where(User.is_active, User.id != rows.super_admin, User.role == Role.USER)
    ids = list(db.session.scalars(active.order_by(User.id).limit(many)))
    bare = _rolled_back(rows.url, lambda cursor: cursor.execute(DEACTIVATED, [ids]))
    arguments: dict[str, Any] = {"action": "deactivate", "entry": "", "rows": [encoded(ids)]}
    begun = time.perf_counter()
    job = _run(start(job_for(people, is_by_system=False), "Deactivate", arguments, total=many))
    took = time.perf_counter() - begun
    yield _line("deactivating people, as a job", job.done, took, bare)
    operation = uuid.UUID(job.result["operation"])
    begun = time.perf_counter()
    rows_of = [encoded(part.ids) for part in parts_of(operation)]
    job = _run(start(UNDO, "Undo", {"operation": str(operation), "rows": rows_of}, total=many))
    yield _line("undoing that, as a job", job.done - job.failed, time.perf_counter() - begun, bare)


def _run(job_id: uuid.UUID) -> Job:
    """Run a job to its end, as the worker does."""
    job: Job = _one(Job, job_id)
    while job.is_open:
        running.run(job_id)
        job = _one(Job, job_id)
    if job.state not in ("done", "partly failed"):
        raise WrongPage(f"{job.title}: {job.state}, {job.message}")
    return job


def _one(model: type[Any], key: uuid.UUID) -> Any:
    db.session.rollback()
    return db.session.get_one(model, key, populate_existing=True)


def _rolled_back(url: str, work: Callable[[psycopg.Cursor[Any]], object]) -> float:
    """How many seconds it takes PostgreSQL alone, with its triggers."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        begun = time.perf_counter()
        work(cursor)
        took = time.perf_counter() - begun
        connection.rollback()
        return took


def _line(what: str, many: int, seconds: float, floor: float, first: str = "-") -> list[str]:
    speeds = (f"{many / one:,.0f}" for one in (seconds, floor))
    return [what, f"{many:,}", f"{seconds:.1f}", *speeds, f"{floor / seconds:.2f}", first]


def shown(lines: Sequence[Sequence[str]]) -> str:
    return table([HEAD, *lines])
