"""The migrations of this code and of a database, and the schema that they create."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

from psycopg import errors as pg
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from portal.config import ROOT
from portal.postgres import catalog
from portal.postgres.catalog import Catalog
from portal.postgres.embedded import Embedded

FOLDER = ROOT / "migrations"
VERSIONS = (FOLDER / "versions",)  # tests add to it
# A migration that waits for a table's lock makes all later requests wait behind it. It therefore gives up early, lets
# them proceed and tries again: before PostgreSQL, after a second, ends a request because of a deadlock.
LOCK_SECONDS = 0.4
ATTEMPTS = 30
PAUSE_SECONDS = 2.0
RETRIED = (pg.LockNotAvailable, pg.DeadlockDetected)


@cache
def known() -> frozenset[str]:
    """Every migration of this code. They are named like their files, and follow each other in that order."""
    return frozenset(path.stem for folder in VERSIONS for path in folder.glob("*.py"))


def heads() -> frozenset[str]:
    """The last migration of this code: a database that has it has all."""
    return frozenset({max(known())})


def applied(connection: Connection) -> frozenset[str]:
    """The last migration that a database has; none if it was never migrated."""
    if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is None:
        return frozenset()
    return frozenset(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())


def are_pending(connection: Connection) -> bool:
    return applied(connection) != heads()


def made_by(revision: str) -> Catalog:
    """The schema that the migrations up to this one create, read from a temporary server.

    It needs neither privileges nor space on the real server. Call it in an application context.
    """
    with tempfile.TemporaryDirectory(prefix="portal-schema-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # the server may run as another account
        with Embedded(Path(folder) / "postgres", durable=False).running() as url:
            engine = create_engine(url, poolclass=NullPool)
            wanted = import_module("alembic.config").Config()
            wanted.set_main_option("script_location", str(FOLDER))
            wanted.attributes["engine"] = engine
            import_module("alembic.command").upgrade(wanted, revision)
            with engine.connect() as connection:
                return catalog.read(connection)


def patiently(work: Callable[[], None], connection: Connection, say: Callable[[str], None]) -> None:
    """Run `work`, and retry while another session holds a lock that it needs. Raises the error of the last attempt."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            work()
            return
        except DBAPIError as error:
            connection.rollback()
            if attempt == ATTEMPTS or not isinstance(error.orig, RETRIED):
                raise
            say(f"The tables are in use; trying again in {PAUSE_SECONDS:g} s ({attempt} of {ATTEMPTS}).")
            time.sleep(PAUSE_SECONDS)
