"""The databases that the tests run on, and their cleanup."""

from __future__ import annotations

import itertools
import math
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest
from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache
from psycopg.errors import DuplicateObject, InsufficientPrivilege, ObjectInUse, UniqueViolation
from sqlalchemy import make_url

from portal import create_app
from portal.config import Settings
from portal.core import counts
from portal.core.db import db
from portal.isolation.rehearsal import rolled_back
from portal.postgres.embedded import Embedded
from portal.postgres.roles import ROLES
from portal.web import brand

PREFIX = f"portal_test_{os.getpid()}_"
NAMED_SERVER = os.environ.pop("PORTAL_TEST_DATABASE_URL", None)
OLDEST = 150000
DROPS = 24  # attempts to drop a database
OWNER_PASSWORD = secrets.token_hex(16)
MEMORY = Path("/dev/shm")  # noqa: S108 -- the folder inside it is private
ROOM = 3 * 1024**3  # bytes; more than all databases of one server at a time, with their log
SECRET_KEY = "only-for-tests-0123456789-abcdefghijklm"


def clear_environment() -> None:
    """Hide the installation that the shell is configured for, so that no test can touch it."""
    kept = (
        "PORTAL_REQUIRE_BROWSER",
        "PORTAL_REQUIRE_POOLER",
        "PORTAL_REQUIRE_PROXY",
        "PORTAL_REQUIRE_SYSTEMD",
        "PORTAL_TEST_KILLS",
        "PORTAL_TEST_RESTARTS",
        "PORTAL_TEST_ROUNDS",
        "PORTAL_TEST_PEOPLE",
    )
    for name in list(os.environ):
        is_ours = name.startswith(("PORTAL_", "SECRET_KEY", "DATABASE_URL", "DIRECT_URL")) or name == "PORT"
        if is_ours and name not in kept:
            del os.environ[name]


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server where databases named PREFIX... are created and dropped.

    They belong to `owner`, a plain role that the portal signs in as; None if we can't create roles there.
    """

    url: str
    owner: str | None = None

    def address(self, name: str, *, as_owner: bool = True) -> str:
        """The SQLAlchemy URL of one of its databases, as the owner or with the server's own login."""
        parsed = make_url(self.url).set(drivername="postgresql+psycopg", database=PREFIX + name)
        if as_owner and self.owner:
            parsed = parsed.set(username=self.owner, password=OWNER_PASSWORD)
        return parsed.render_as_string(hide_password=False)

    def create(self, name: str, *, template: str | None = None) -> str:
        """Create an empty database, or a copy of one that nobody is connected to, and return its URL."""
        copied = f' TEMPLATE "{PREFIX}{template}" STRATEGY = FILE_COPY' if template else " TEMPLATE template0"
        owned = f" OWNER {self.owner}" if self.owner else ""
        self.execute(f'CREATE DATABASE "{PREFIX}{name}"{copied}{owned}')
        if template:  # a copy doesn't include privileges on the database itself
            self.execute(f'REVOKE TEMPORARY ON DATABASE "{PREFIX}{name}" FROM PUBLIC')
        return self.address(name)

    def drop(self, name: str) -> None:
        """Drop a database. PostgreSQL waits five seconds for a statement that it can't interrupt, and then gives up."""
        for attempt in range(DROPS):
            try:
                self.execute(f'DROP DATABASE IF EXISTS "{PREFIX}{name}" WITH (FORCE)')
                break
            except ObjectInUse:
                if attempt == DROPS - 1:
                    raise

    def drop_all(self) -> None:
        with self._connect() as connection:
            found = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
            names = [str(name) for (name,) in found]
        for name in names:
            self.drop(name.removeprefix(PREFIX))
        if self.owner:
            self.execute(f"DROP ROLE IF EXISTS {self.owner}")

    def with_owner(self) -> Server:
        """This server, with an owner that isn't a superuser and has the portal's roles, as README.md advises."""
        owner = f"{PREFIX}owner"
        try:
            for role in ROLES:
                with suppress(DuplicateObject, UniqueViolation):
                    self.execute(f"CREATE ROLE {role} NOLOGIN")
            self.execute(f"CREATE ROLE {owner} LOGIN PASSWORD '{OWNER_PASSWORD}'")
        except InsufficientPrivilege:
            return self
        new = " WITH INHERIT FALSE, SET TRUE" if self.version() >= 160000 else ""
        self.execute(f"GRANT {', '.join(ROLES)} TO {owner}{new}")
        return replace(self, owner=owner)

    def execute(self, statement: str) -> None:
        with self._connect() as connection:
            connection.execute(statement.encode())

    def tables(self, name: str) -> int:
        with self._connect(PREFIX + name) as connection:
            found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
            return int(found[0]) if found else 0

    def version(self) -> int:
        with self._connect() as connection:
            return connection.info.server_version

    def _connect(self, database: str | None = None) -> psycopg.Connection[tuple[Any, ...]]:
        url = make_url(self.url).set(drivername="postgresql")
        if database is not None:
            url = url.set(database=database)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


# High limits, so that only tests about a limit reach it, however slow the machine is.
PATIENT: dict[str, Any] = {
    "guesses_per_account": 10_000,
    "guesses_per_network": 10_000,
    "statement_timeout": 60.0,
    "pool_timeout": 60.0,
    "data_browser_seconds": 60.0,
    "refresh_grace": 600.0,
}


def settings_for(database_url: str, **changes: Any) -> Settings:
    """The settings of tests: cheap password hashes, a known key, and patience."""
    usual = {"secret_key": SECRET_KEY, "database_url": database_url, "bcrypt_rounds": 4, **PATIENT}
    return Settings(**{**usual, **changes})


class Compiled(BytecodeCache):
    """The code of templates, which all applications of a test run share: compiling takes longer than a request."""

    def __init__(self) -> None:
        self.code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.code:
            bucket.bytecode_from_string(self.code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.code[bucket.key] = bucket.bytecode_to_string()


COMPILED = Compiled()


def app_for(database_url: str, **changes: Any) -> Flask:
    app = create_app(settings_for(database_url, **changes))
    app.testing = True
    brand.hold(app, math.inf)
    app.jinja_env.bytecode_cache = COMPILED
    return app


def connect(address: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect to a database as another program would, outside any application."""
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True)


def migrate(database_url: str) -> None:
    """Run every migration, and leave no connection."""
    app = app_for(database_url)
    with app.app_context():
        flask_migrate.upgrade()
    disconnect(app)


def disconnect(app: Flask) -> None:
    """Close every connection of an application, so that its database can be copied or dropped."""
    with app.app_context():
        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture(scope="session")
def database_server() -> Iterator[Server]:
    """The server that PORTAL_TEST_DATABASE_URL names, or an embedded one."""
    if NAMED_SERVER is not None:
        yield from _cleaned(Server(NAMED_SERVER))
        return
    with tempfile.TemporaryDirectory(prefix="portal-test-", dir=_in_memory(), ignore_cleanup_errors=True) as folder:
        embedded = Embedded(Path(folder) / "postgres", durable=False)
        with embedded.running() as url:
            yield from _cleaned(Server(url))


def _in_memory() -> Path | None:
    """A folder in memory, if it has room for the servers of all workers: copying a database there is much cheaper."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > workers * ROOM:
        return MEMORY
    return None


def _cleaned(bare: Server) -> Iterator[Server]:
    if bare.version() < OLDEST:
        pytest.exit("The tests need PostgreSQL 15 or later.", returncode=1)
    server = bare.with_owner()
    try:
        yield server
    finally:
        server.drop_all()


@pytest.fixture(scope="session")
def template_database(database_server: Server) -> str:
    """The name of a migrated, empty database, which is only copied and never connected to."""
    migrate(database_server.create("template"))
    return "template"


@pytest.fixture(scope="session")
def app(database_server: Server, template_database: str) -> Iterator[Flask]:
    """The application that tests share. What a test writes through it is rolled back (see `rolled_back`)."""
    app = app_for(database_server.create("shared", template=template_database))
    yield app
    disconnect(app)


@pytest.fixture
def fresh_database(database_server: Server, template_database: str) -> Iterator[str]:
    """The URL of a migrated database for one test that needs COPY, locks, commits or two connections."""
    name = f"copy{next(_copies)}"
    yield database_server.create(name, template=template_database)
    database_server.drop(name)


_copies = itertools.count(1)


@pytest.fixture
def fresh_app(fresh_database: str) -> Iterator[Flask]:
    """An application on its own database, where commits are real."""
    app = app_for(fresh_database)
    yield app
    disconnect(app)


@pytest.fixture(autouse=True)
def rolled_back_after(request: pytest.FixtureRequest) -> Iterator[None]:
    """Roll back what a test wrote through the shared application."""
    if "app" not in request.fixturenames:
        yield
        return
    app: Flask = request.getfixturevalue("app")
    with app.app_context():
        engine = db.engine
    counts.forget()
    brand.hold(app, math.inf)
    with rolled_back(engine):
        yield
