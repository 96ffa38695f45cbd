"""The rows that are measured on: the demo's, with what the comparison needs besides."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask

from bench.__main__ import KEY, prepare
from portal import create_app
from portal.config import Settings
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.postgres.embedded import Embedded
from portal.users import commands, queries

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

    def server_process(self) -> int:
        return int(self._value("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))

    def _value(self, statement: str, *values: Any) -> Any:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(statement.encode(), values or None).fetchone()
        assert row is not None
        return row[0]


@contextmanager
def kept(folder: Path, people: int) -> Iterator[Rows]:
    """Run the database of the folder during the block; it is made the first time. A power failure may destroy it."""
    with Embedded(folder / f"postgres-{people}", durable=False).running() as url:
        app = create_app(Settings(secret_key=KEY, database_url=url, statement_timeout=600))
        yield prepared(app, people, url.replace("+psycopg", "", 1))


def prepared(app: Flask, people: int, url: str) -> Rows:
    """Fill the database if it is empty, add what the demo lacks, and find the rows that workloads name."""
    prepare(app, people)
    with app.app_context(), acting_as(SYSTEM):
        for email in (SUPER_ADMIN, ADMIN):
            person = db.session.scalars(queries.by_email(email)).one()
            commands.set_password(person.id, PASSWORD)
        db.session.remove()
        db.engine.dispose()
    with psycopg.connect(url) as connection:
        connection.execute(SESSIONS)
        connection.execute(_sql(NAME_RARELY), [RARE_PEOPLE, RARE_PEOPLE])
        people, size = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE organization_id = (SELECT organization_id FROM users"
            " WHERE email = %s)) FROM users WHERE deleted_at IS NULL",
            [ADMIN],
        ).fetchone() or (0, 0)
        super_admin, admin = (
            connection.execute("SELECT id FROM users WHERE lower(email) = %s AND deleted_at IS NULL", [one]).fetchone()
            for one in (SUPER_ADMIN, ADMIN)
        )
        middle = connection.execute(_sql(MIDDLE)).fetchone()
        assert super_admin is not None and admin is not None and middle is not None
        edited = connection.execute(_sql(EDITABLE), [middle[1], EDITED]).fetchall()
        for email, (key,) in ((SUPER_ADMIN, super_admin), (ADMIN, admin)):
            connection.execute(
                "INSERT INTO bench.sessions VALUES (%s, %s) ON CONFLICT DO NOTHING",
                [hashlib.sha256(token_of(email).encode()).digest(), key],
            )
    return Rows(
        url, people, size, super_admin[0], (middle[0].isoformat(), middle[1]), tuple(Person(*one) for one in edited)
    )


def token_of(email: str) -> str:
    """What a person's browser shows to the floor. It is stored hashed."""
    return hashlib.sha256(f"{KEY} {email}".encode()).hexdigest()


def _sql(statement: str) -> bytes:
    return statement.format(active=ACTIVE).encode()
