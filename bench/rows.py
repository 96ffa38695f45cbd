"""The rows that are measured on: the demo's, with what the comparison needs besides."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
from flask import Flask
from sqlalchemy import func, select

from portal import create_app
from portal.config import ROOT, Settings
from portal.core.actor import SYSTEM, Role
from portal.core.db import acting_as, db
from portal.core.keys import uuid7
from portal.demo_data import seed
from portal.postgres.embedded import Embedded
from portal.users import commands, queries
from portal.users.models import User

KEY = "only-for-measuring-0123456789-abcdefg"
RARE, COMMON = "zyxwell", "martin"
RARE_PEOPLE = 20
EDITED = 64
PASSWORD = "a pass phrase for measuring"  # noqa: S105 -- in production, the demo's is refused
SUPER_ADMIN, ADMIN = "admin@example.com", "bench@example.com"
ACTIVE = """u.deleted_at IS NULL AND u.is_active AND (u.invited_at IS NULL OR u.accepted_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM organizations o WHERE o.id = u.organization_id AND o.deleted_at IS NOT NULL)"""
NAME_RARELY = """UPDATE users SET last_name = 'Zyxwell' WHERE id IN (
    SELECT u.id FROM (SELECT u.id, row_number() OVER (ORDER BY u.id) AS n, count(*) OVER () AS most
    FROM users u WHERE u.role = 'USER' AND u.organization_id IS NOT NULL AND {active}) u
    WHERE n %% greatest(most / %s, 1) = 0 LIMIT %s) AND NOT EXISTS (SELECT FROM users WHERE last_name = 'Zyxwell')"""
SESSIONS = """CREATE SCHEMA IF NOT EXISTS bench;
    CREATE TABLE IF NOT EXISTS bench.sessions (token bytea PRIMARY KEY, user_id uuid NOT NULL)"""
MIDDLE = """SELECT u.created_at, u.id FROM users u WHERE {active} ORDER BY u.created_at DESC, u.id DESC
    OFFSET (SELECT count(*) / 2 FROM users u WHERE u.deleted_at IS NULL) * 0.9 LIMIT 1"""
EDITABLE = """SELECT u.id, u.email, u.last_name FROM users u WHERE u.id < %s AND {active} AND u.role = 'USER'
    AND u.organization_id IS NOT NULL AND u.email ~ '^[a-z0-9.]+@[a-z.]+$'
    AND u.search_text NOT LIKE '%%martin%%' AND u.search_text NOT LIKE '%%zyxwell%%' ORDER BY u.id DESC LIMIT %s"""
SIZES = "SELECT count(*), count(*) FILTER (WHERE organization_id = %s) FROM users WHERE deleted_at IS NULL"
ACCOUNTS = "SELECT lower(email), id FROM users WHERE lower(email) = ANY(%s) AND deleted_at IS NULL"
PASSWORDS = """UPDATE users SET password = (SELECT password FROM users WHERE email = %s)
    WHERE id = ANY(%s) AND password IS NULL"""
# Planning included, BEGIN and ROLLBACK left out. A function belongs to the statement that calls it.
STATEMENTS = r"""SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time + total_plan_time), 0)
    FROM bench.pg_stat_statements JOIN pg_database d ON d.oid = dbid WHERE d.datname = current_database()
    AND query !~* '^\s*(BEGIN|COMMIT|ROLLBACK|START)\M|pg_stat_statements'"""


@dataclass(frozen=True)
class Person:
    id: uuid.UUID
    email: str
    last_name: str


@dataclass(frozen=True)
class Rows:
    """The database, and the rows in it that workloads name."""

    url: str  # of libpq
    people: int  # not deleted
    organization_size: int
    organization: uuid.UUID  # the largest
    super_admin: uuid.UUID
    middle: tuple[str, uuid.UUID]  # where the deep page begins
    edited: tuple[Person, ...]

    def count(self, keys: Sequence[str], condition: str) -> int:
        """How many of these keys are people who meet the condition."""
        escaped = condition.replace("%", "%%")
        statement = f"SELECT count(*) FROM users u WHERE u.id = ANY(%s::uuid[]) AND ({escaped})"  # noqa: S608
        return int(self._value(statement, list(keys)))

    def count_all(self, condition: str, most: int) -> int:
        """How many people meet the condition, up to `most`."""
        bounded = f"SELECT count(*) FROM (SELECT FROM users u WHERE {condition} LIMIT {most}) counted"  # noqa: S608
        return int(self._value(bounded))

    def versions(self, people: Sequence[Person]) -> list[int]:
        keys = [person.id for person in people]
        with psycopg.connect(self.url) as connection:
            read = connection.execute("SELECT id, version FROM users WHERE id = ANY(%s)", [keys]).fetchall()
        found: dict[uuid.UUID, int] = dict(read)
        return [found[key] for key in keys]

    def forget_statements(self) -> None:
        self._value("SELECT bench.pg_stat_statements_reset()")

    def statements(self) -> tuple[int, float]:
        """How many statements the server ran since they were forgotten, and for how many milliseconds."""
        with psycopg.connect(self.url) as connection:
            calls, milliseconds = connection.execute(STATEMENTS).fetchone() or (0, 0)
        return int(calls), float(milliseconds)

    def version(self) -> str:
        return str(self._value("SHOW server_version")).split()[0]

    def server_process(self) -> int:
        return int(self._value("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))

    def _value(self, statement: str, *values: Any) -> Any:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(statement.encode(), values or None).fetchone()
        assert row is not None
        return row[0]


@contextmanager
def kept(folder: Path, people: int) -> Iterator[Rows]:
    """Run the folder's database during the block. It is made the first time, and when what it depends on has changed.

    Runs can use it at the same time. One that has to make it waits for the others. A power failure may destroy it.
    """
    embedded = Embedded(folder / f"postgres-{people}", durable=False)
    made, wanted = folder / f"postgres-{people}.fingerprint", fingerprint()

    def is_made() -> bool:
        return embedded.data.exists() and made.exists() and made.read_text() == wanted

    with (folder / f"postgres-{people}.runs").open("a") as runs:
        fcntl.flock(runs, fcntl.LOCK_SH)
        if not is_made():
            fcntl.flock(runs, fcntl.LOCK_EX)
        if embedded.data.exists() and not is_made():
            say(f"The kept database of {people:,} people has another schema or other rows: making it anew.")
            embedded.stop()
            shutil.rmtree(embedded.data)
        with embedded.running() as address:
            url = address.replace("+psycopg", "", 1)
            _configure(embedded, url)
            app = create_app(Settings(secret_key=KEY, database_url=address, statement_timeout=600))
            rows = prepared(app, people, url)
            if not is_made():
                made.write_text(wanted)
            fcntl.flock(runs, fcntl.LOCK_SH)
            yield rows


def fingerprint() -> str:
    """A digest of everything that the kept database depends on: its schema, the demo, and this module."""
    sources = [*(ROOT / "migrations" / "versions").iterdir(), *(ROOT / "portal" / "sql").rglob("*.sql")]
    sources += [*(ROOT / "portal").rglob("demo.py"), Path(__file__)]
    digest = hashlib.sha256()
    for path in sorted(one for one in sources if one.suffix in (".py", ".sql")):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _configure(embedded: Embedded, url: str) -> None:
    """Load pg_stat_statements, and keep all rows in PostgreSQL's own memory. Takes a restart the first time."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA bench")
        if connection.execute("SHOW shared_preload_libraries").fetchone() != ("",):
            return
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = pg_stat_statements")
        connection.execute("ALTER SYSTEM SET pg_stat_statements.track_planning = on")
        connection.execute("ALTER SYSTEM SET shared_buffers = '1GB'")
    embedded.stop()
    embedded.start()


def prepared(app: Flask, people: int, url: str) -> Rows:
    """Fill the database if it is empty, add what the demo lacks, and find the rows that workloads name."""
    with app.app_context():
        flask_migrate.upgrade()
        if seed.is_empty():
            _fill(people)
        with acting_as(SYSTEM):
            organization = _largest_organization()
            if db.session.scalar(queries.by_email(ADMIN)) is None:
                values = {"email": ADMIN, "role": Role.ADMIN, "organization_id": organization}
                commands.users.create(values, row_id=uuid7())
            for email in (SUPER_ADMIN, ADMIN):
                person = db.session.scalars(queries.by_email(email)).one()
                commands.set_password(person.id, PASSWORD)
        db.session.remove()
        db.engine.dispose()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SESSIONS)
        connection.execute(_sql(NAME_RARELY), [RARE_PEOPLE, RARE_PEOPLE])
        found = _found(connection, url, organization)
        connection.execute(PASSWORDS, [SUPER_ADMIN, [person.id for person in found.edited]])
        connection.execute("VACUUM ANALYZE")
        return found


def _fill(people: int) -> None:
    say(f"Making {people:,} people (once) ...")
    begun = time.perf_counter()
    seed.seed_demo(people)
    say(f"{people / (time.perf_counter() - begun):,.0f} people a second, by COPY with stamps and indexes.")


def _largest_organization() -> uuid.UUID:
    sizes = select(User.organization_id).where(User.organization_id.is_not(None)).group_by(User.organization_id)
    return uuid.UUID(str(db.session.scalars(sizes.order_by(func.count().desc()).limit(1)).one()))


def _found(connection: psycopg.Connection[Any], url: str, organization: uuid.UUID) -> Rows:
    people, size = connection.execute(SIZES, [organization]).fetchone() or (0, 0)
    middle = connection.execute(_sql(MIDDLE)).fetchone()
    assert middle is not None
    edited = connection.execute(_sql(EDITABLE), [middle[1], EDITED]).fetchall()
    keys = dict(connection.execute(ACCOUNTS, [[SUPER_ADMIN, ADMIN]]).fetchall())
    for email, key in keys.items():
        token = hashlib.sha256(token_of(email).encode()).digest()
        connection.execute("INSERT INTO bench.sessions VALUES (%s, %s) ON CONFLICT DO NOTHING", [token, key])
    begins = middle[0].isoformat(), middle[1]
    return Rows(url, people, size, organization, keys[SUPER_ADMIN], begins, tuple(Person(*one) for one in edited))


def say(line: str) -> None:
    """Progress; the tables alone go to standard output."""
    print(line, file=sys.stderr, flush=True)


def token_of(email: str) -> str:
    """What a person's browser shows to the floor. It is stored hashed."""
    return hashlib.sha256(f"{KEY} {email}".encode()).hexdigest()


def _sql(statement: str) -> bytes:
    return statement.format(active=ACTIVE).encode()
