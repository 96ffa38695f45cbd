"""Is a restored backup the same portal: row by row, with its history's seals, and with its sign-ins?"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from portal.cli import seed
from portal.core.postgres_programs import Programs
from portal.demo import DEMO_ACCOUNTS, DEMO_PASSWORD
from tests.acting import acting, portal_on
from tests.database import SECRET_KEY, Server
from tests.pages import PageClient

PEOPLE = 100_000
DUMP = ["pg_dump", "--format=custom", "--file=portal.dump"]
RESTORE = ["pg_restore", "--no-owner", "--exit-on-error", "--single-transaction"]


@pytest.fixture
def empty(database_server: Server) -> Iterator[str]:
    yield database_server.create("restored")
    database_server.drop("restored")


def run(command: list[str], address: str, folder: Path, version: int) -> None:
    """One of PostgreSQL's programs, of the server's own version; the password is in no list of processes."""
    url = make_url(address).set(drivername="postgresql")
    bundled = Programs.installed()
    is_same = bundled.major == str(version // 10_000)
    program = str(Path(bundled.postgres).with_name(command[0])) if is_same else shutil.which(command[0])
    assert program
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    place = url.set(password=None).render_as_string(hide_password=False)
    arguments = [program, *command[1:], f"--dbname={place}", *(["portal.dump"] if command[0] == "pg_restore" else [])]
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 0, done.stderr


def hashes(address: str) -> dict[str, tuple[Any, ...]]:
    """How many rows each table has, and a hash of all that they say."""
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        queries = {
            name: f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {name} t"  # noqa: S608
            for (name,) in names
        }
        return {name: connection.execute(query.encode()).fetchone() or () for name, query in queries.items()}


def test_re11_a_restored_copy_is_the_same_verifies_and_signs_in(
    fresh_database: str, empty: str, database_server: Server, tmp_path: Path
) -> None:
    with portal_on(fresh_database) as app, acting(app):
        seed.seed_demo(PEOPLE)
        assert app.test_cli_runner().invoke(args=["activity", "seal"]).exit_code == 0

    run(DUMP, fresh_database, tmp_path, database_server.version())
    run(RESTORE, empty, tmp_path, database_server.version())

    original = hashes(fresh_database)
    assert hashes(empty) == original
    assert original["users"][0] >= PEOPLE
    assert original["activity_leaves"][0] == original["activity"][0] > PEOPLE
    with portal_on(empty) as app:
        for command in ("doctor", "activity verify"):
            result = app.test_cli_runner().invoke(args=command.split())
            assert result.exit_code == 0, result.output
        client = app.test_client()
        assert isinstance(client, PageClient)
        email = DEMO_ACCOUNTS[0][1]
        assert client.send("/login", {"email": email, "password": DEMO_PASSWORD}).status_code == 303
        assert client.get("/users/").status_code == 200
    assert SECRET_KEY.encode() not in (tmp_path / "portal.dump").read_bytes()
