"""A restored backup is the same portal: every row, the seals of its history, and its sign-ins."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import DuplicateObject
from sqlalchemy import make_url

from portal.config import ROOT
from portal.core.db import command, db, without_time_limit
from portal.demo import DEMO_ACCOUNTS, DEMO_PASSWORD
from portal.demo_data import seed
from portal.postgres.programs import Programs
from tests.acting import acting, portal_on
from tests.cast import page_client
from tests.database import PREFIX, SECRET_KEY, Server

PEOPLE = 100_000
ADDRESS = "postgresql://portal@db.example.com/portal"
SECTION = re.compile(r"## Backup and restore\n(.+?)\n## ", re.DOTALL)
NAME = "restored"
RESTORE_OWNERSHIP = ("GRANT CREATE ON SCHEMA", "ALTER FUNCTION", "REVOKE CREATE ON SCHEMA", "REVOKE TEMPORARY")


def documented(beginning: str) -> str:
    """The command in the chapter of docs/operating.md that begins like this."""
    chapter = SECTION.search((ROOT / "docs" / "operating.md").read_text(encoding="utf-8"))
    assert chapter
    blocks = re.findall(r"```\n(.+?)```", chapter.group(1), re.DOTALL)
    (command,) = (str(line) for block in blocks for line in block.splitlines() if line.startswith(beginning))
    return command


@pytest.fixture
def empty(database_server: Server) -> Iterator[str]:
    """An empty database, created by the statements in the documentation, with names of our own."""
    owner = database_server.owner or make_url(database_server.url).username
    *roles, grant = documented("CREATE ROLE").split(" --")[0].strip().rstrip(";").split("; ")
    if database_server.version() < 160000:
        grant = grant.partition(" WITH ")[0]
    for role in roles:
        with suppress(DuplicateObject):  # other databases of this server use it too
            database_server.execute(role)
    database_server.execute(re.sub(r"TO portal\b", f"TO {owner}", grant))
    made = documented("CREATE DATABASE")
    database_server.execute(made.replace("DATABASE portal OWNER portal", f'DATABASE "{PREFIX}{NAME}" OWNER {owner}'))
    yield database_server.address(NAME)
    database_server.drop(NAME)


def run(line: str, address: str, folder: Path, version: int) -> None:
    """Run one of PostgreSQL's programs, of the server's version, with the password hidden from the process list."""
    command = shlex.split(line)
    url = make_url(address).set(drivername="postgresql")
    bundled = Programs.installed()
    is_same = bundled.major == str(version // 10_000)
    program = str(Path(bundled.postgres).with_name(command[0])) if is_same else shutil.which(command[0])
    assert program
    environment = {**os.environ, "PGPASSWORD": url.password or ""}
    place = url.set(password=None).render_as_string(hide_password=False)
    assert any(ADDRESS in word for word in command)
    arguments = [program, *(word.replace(ADDRESS, place) for word in command[1:])]
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 0, done.stderr


def restore_ownership(address: str) -> None:
    """Functions are restored as the login's, but the data browser's must belong to the role it runs as."""
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        for beginning in RESTORE_OWNERSHIP:
            statement = documented(beginning).replace("DATABASE portal ", f'DATABASE "{make_url(address).database}" ')
            connection.execute(statement.encode())


def hashes(address: str) -> dict[str, tuple[Any, ...]]:
    """How many rows each table has, and a hash of their content."""
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
        queries = {
            name: f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {name} t"  # noqa: S608
            for (name,) in names
        }
        return {name: connection.execute(query.encode()).fetchone() or () for name, query in queries.items()}


def change_everybody() -> None:
    """Record an event for each person, which the demo doesn't have."""
    with without_time_limit():
        db.session.connection().exec_driver_sql("UPDATE users SET time_zone = 'Europe/Berlin'")


def test_re11_a_restored_backup_has_the_same_rows_verifies_and_signs_in(
    fresh_database: str, empty: str, database_server: Server, tmp_path: Path
) -> None:
    with portal_on(fresh_database) as app, acting(app):
        seed.seed_demo(PEOPLE)
        command(change_everybody)()
        assert app.test_cli_runner().invoke(args=["activity", "seal"]).exit_code == 0

    run(documented("pg_dump"), fresh_database, tmp_path, database_server.version())
    run(documented("pg_restore"), empty, tmp_path, database_server.version())
    restore_ownership(empty)

    original = hashes(fresh_database)
    assert hashes(empty) == original
    assert original["users"][0] >= PEOPLE
    assert original["activity_leaves"][0] == original["activity"][0] > PEOPLE
    with portal_on(empty) as app:
        for one in documented("flask doctor").split(" && "):
            result = app.test_cli_runner().invoke(args=one.removeprefix("flask ").split())
            assert result.exit_code == 0, result.output
        client = page_client(app)
        email = DEMO_ACCOUNTS[0][1]
        assert client.send("/login", {"email": email, "password": DEMO_PASSWORD}).status_code == 303
        assert client.get("/users/").status_code == 200
    assert SECRET_KEY.encode() not in (tmp_path / "portal.dump").read_bytes()
