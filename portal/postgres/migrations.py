"""The migrations of this code and of a database, and the schema that they create."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import errors as pg
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from portal.config import ROOT
from portal.postgres import catalog
from portal.postgres.catalog import Catalog
from portal.postgres.embedded import Embedded

# A migration that waits for a table's lock makes all later requests wait behind it. It therefore gives up early, lets
# them proceed and tries again: before PostgreSQL, after a second, ends a request because of a deadlock.
LOCK_SECONDS = 0.4
ATTEMPTS = 30
PAUSE_SECONDS = 2.0
RETRIED = (pg.LockNotAvailable, pg.DeadlockDetected)


def config() -> Config:
    found = Config()
    found.set_main_option("script_location", str(ROOT / "migrations"))
    return found


@lru_cache(maxsize=1)
def heads() -> frozenset[str]:
    """The migrations that a database must have for this code."""
    return frozenset(ScriptDirectory.from_config(config()).get_heads())


def applied(connection: Connection) -> frozenset[str]:
    """The migrations applied to a database; none if it was never migrated."""
    return frozenset(MigrationContext.configure(connection).get_current_heads())


def are_pending(connection: Connection) -> bool:
    return applied(connection) != heads()


def known() -> frozenset[str]:
    """Every migration of this code."""
    return frozenset(step.revision for step in ScriptDirectory.from_config(config()).walk_revisions())


def made_by(revision: str) -> Catalog:
    """The schema that the migrations up to this one create, read from a temporary server.

    It needs neither privileges nor space on the real server. Call it in an application context.
    """
    with tempfile.TemporaryDirectory(prefix="portal-schema-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # the server may run as another account
        with Embedded(Path(folder) / "postgres", durable=False).running() as url:
            engine = create_engine(url, poolclass=NullPool)
            wanted = config()
            wanted.attributes["engine"] = engine
            command.upgrade(wanted, revision)
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
