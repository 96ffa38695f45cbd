"""Measure how fast pages are compared to the same SQL on a bare connection.

`make bench` measures on 100,000 people, `make bench ARGS="--people 1000000"` on a million. BENCH_DATABASE_URL names a
database to measure on (filled by `flask seed --demo` if it is empty); by default an embedded one is used and removed.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from bench import history
from portal import create_app
from portal.config import Settings
from portal.core.actor import SYSTEM, Role
from portal.core.db import acting_as, db
from portal.core.keys import uuid7
from portal.demo import DEMO_PASSWORD
from portal.demo_data import seed
from portal.postgres.embedded import Embedded
from portal.users import commands, queries
from portal.users.commands import users
from portal.users.models import User

KEY = "only-for-measuring-0123456789-abcdefg"
HEAD = f"{'page':<34}{'pages/s':>9}{'bare SQL/s':>12}{'share':>7}{'ms SQL':>8}{'stmts':>7}{'kB':>7}{'p99 ms':>8}"


@dataclass
class Watch:
    """The statements that ran since `empty` was called, and how long they took."""

    statements: list[tuple[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def attach(self, engine: Any) -> None:
        event.listen(engine, "before_cursor_execute", self._before)
        event.listen(engine, "after_cursor_execute", self._after)

    def empty(self) -> None:
        self.statements, self.seconds = [], 0.0

    def _before(self, *arguments: Any) -> None:
        arguments[4].begun = time.perf_counter()

    def _after(self, *arguments: Any) -> None:
        _, _, statement, parameters, context, _ = arguments
        self.seconds += time.perf_counter() - context.begun
        explained = "EXPLAIN (FORMAT JSON) " if context.execution_options.get("explain") else ""
        self.statements.append((f"{explained}{statement.removeprefix(explained)}", parameters))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--pages", type=int, default=200, help="of each kind")
    options = parser.parse_args()
    with _database() as url:
        app = create_app(Settings(secret_key=KEY, database_url=url, statement_timeout=60))
        tenant = prepare(app, options.people)
        watch = Watch()
        with app.app_context():
            watch.attach(db.engine)
        print(HEAD)
        for email, pages in (("admin@example.com", _super_admin_pages(tenant)), ("bench@example.com", _admin_pages())):
            client = _signed_in(app, email)
            for name, path in pages:
                _measure(name, path, client, watch, url, options.pages)
        history.measure(url)


@contextmanager
def _database() -> Iterator[str]:
    if named := os.environ.get("BENCH_DATABASE_URL"):
        yield named.replace("postgresql://", "postgresql+psycopg://", 1)
        return
    with (
        tempfile.TemporaryDirectory(prefix="portal-bench-", ignore_cleanup_errors=True) as folder,
        Embedded(Path(folder) / "postgres", durable=False).running() as url,
    ):
        yield url


def prepare(app: Flask, people: int) -> Any:
    """Fill the database once, set the passwords of the two accounts, and return the largest organization."""
    with app.app_context():
        flask_migrate.upgrade()
        if seed.is_empty():
            print(f"Making {people:,} people ...")
            begun = time.perf_counter()
            seed.seed_demo(people)
            print(f"{people / (time.perf_counter() - begun):,.0f} people a second, by COPY with stamps and indexes.")
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
        with acting_as(SYSTEM):
            sizes = select(User.organization_id).where(User.organization_id.is_not(None)).group_by(User.organization_id)
            tenant = db.session.scalars(sizes.order_by(func.count().desc()).limit(1)).one()
            if db.session.scalar(queries.by_email("bench@example.com")) is None:
                values = {"email": "bench@example.com", "role": Role.ADMIN, "organization_id": tenant}
                users.create(values, row_id=uuid7())
            for email in ("admin@example.com", "bench@example.com"):
                person = db.session.scalars(queries.by_email(email)).one()
                commands.set_password(person.id, DEMO_PASSWORD)
        return tenant


def _super_admin_pages(tenant: Any) -> list[tuple[str, str]]:
    return [
        ("first page of people", "/users/"),
        ("search, frequent word", "/users/?q=martin"),
        ("search, two words", "/users/?q=anna+martin"),
        ("search, two letters", "/users/?q=za"),
        ("search, nothing found", "/users/?q=qqqzz"),
        ("search, a sign", "/users/?q=%25"),
        ("search, sorted by name", "/users/?q=zabriskie&sort=name"),
        ("last page", "/users/?page=last"),
        ("administrators, by name", "/users/?role=ADMIN&sort=name"),
        ("deactivated", "/users/?status=deactivated"),
        ("deleted", "/users/?status=deleted"),
        ("inside the largest organization", f"/users/?organization={tenant}"),
        ("organizations", "/organizations/"),
        ("new person", "/users/new"),
        ("dashboard", "/"),
        ("activity", "/activity/"),
        ("activity, frequent name", "/activity/?q=martin"),
        ("activity, one month", "/activity/?from=2026-01-01&to=2026-01-31"),
    ]


def _admin_pages() -> list[tuple[str, str]]:
    return [
        ("ADMIN: first page", "/users/"),
        ("ADMIN: search", "/users/?q=martin"),
        ("ADMIN: search, two letters", "/users/?q=za"),
        ("ADMIN: by name, last page", "/users/?sort=name&page=last"),
        ("ADMIN: dashboard", "/"),
        ("ADMIN: activity", "/activity/"),
    ]


def _signed_in(app: Flask, email: str) -> FlaskClient:
    client = app.test_client()
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/login").text)
    assert token is not None
    sent = {"csrf_token": token[1], "email": email, "password": DEMO_PASSWORD}
    assert client.post("/login", data=sent).status_code == 303
    return client


def _measure(name: str, path: str, client: FlaskClient, watch: Watch, url: str, pages: int) -> None:
    """Alternate between the page and bare SQL, so that both run under the same conditions."""
    for _ in range(5):
        assert client.get(path).status_code == 200, path
    watch.empty()
    size = len(client.get(path).data)
    statements = list(watch.statements)
    took: list[float] = []
    bare: list[float] = []
    watch.empty()
    with psycopg.connect(url.replace("+psycopg", "", 1), options="-c plan_cache_mode=force_custom_plan") as connection:
        for _ in range(pages):
            took.append(_timed(lambda: client.get(path)))
            bare.append(_timed(lambda: _replay(connection, statements)))
    page, floor = statistics.median(took), statistics.median(bare)
    sql = watch.seconds / pages * 1000
    p99 = sorted(took)[int(pages * 0.99)] * 1000
    print(
        f"{name:<34}{1 / page:>9.0f}{1 / floor:>12.0f}{floor / page:>7.2f}{sql:>8.2f}{len(statements):>7}"
        f"{size / 1000:>7.1f}{p99:>8.1f}",
        flush=True,
    )


def _replay(connection: psycopg.Connection[Any], statements: list[tuple[str, Any]]) -> None:
    for statement, parameters in statements:
        cursor = connection.execute(statement.encode(), parameters)
        cursor.fetchall()
    connection.rollback()


def _timed(work: Any) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
