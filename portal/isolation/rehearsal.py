"""Run the portal in a transaction that is rolled back, optionally with one isolation layer disabled.

Only for the self-test and tests: it changes the sessions of the whole process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from psycopg import errors
from psycopg.pq import ExecStatus
from sqlalchemy import Connection, Dialect, Engine, event

from portal.core import beginning
from portal.core import db as transactions
from portal.core.beginning import mark_settings_unknown
from portal.core.db import FILTERS, db

SAVEPOINTS = {
    "do_savepoint": "SAVEPOINT",
    "do_rollback_to_savepoint": "ROLLBACK TO SAVEPOINT",
    "do_release_savepoint": "RELEASE SAVEPOINT",
}


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Connection]:
    """Run all database sessions on one connection, whose transaction is rolled back. Open app contexts only inside."""
    factory = db.session.session_factory
    plain, former = factory.class_, dict(factory.kw)
    with engine.connect() as connection:
        outer = connection.begin()
        # Savepoints replace transactions here, so the actor has to be set again after each of them.
        event.listen(connection, "release_savepoint", mark_settings_unknown)
        factory.class_ = type("Joined", (plain,), {"get_bind": lambda self, *_, **__: connection})
        factory.configure(join_transaction_mode="create_savepoint")
        opened = transactions.opened
        transactions.opened = lambda **_: nullcontext(connection)  # type: ignore[assignment]
        try:
            with _plain_savepoints(engine.dialect):
                yield connection
        finally:
            transactions.opened = opened
            factory.class_, factory.kw = plain, former
            outer.rollback()


@contextmanager
def _plain_savepoints(dialect: Dialect) -> Iterator[None]:
    """Have the driver alone send savepoints, because they are many here, and SQLAlchemy would compile each of them."""
    for name, command in SAVEPOINTS.items():
        setattr(dialect, name, _sending(command))
    try:
        yield
    finally:
        for name in SAVEPOINTS:
            delattr(dialect, name)


def _sending(command: str) -> Callable[[Connection, str], None]:
    def send(connection: Connection, name: str) -> None:
        driver: Any = connection.connection.driver_connection
        with driver.lock:
            result = driver.pgconn.exec_(f"{command} {name}".encode())
        if result.status != ExecStatus.COMMAND_OK:
            raise errors.error_from_result(result)

    return send


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """Roll back what the block writes, and nothing before it."""
    savepoint = connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()


@contextmanager
def without_filters() -> Iterator[None]:
    """Disable core/scoping.py, so that only row-level security is active. Use it around `rolled_back`."""
    for name, function in FILTERS.items():
        event.remove(db.session, name, function)
    try:
        yield
    finally:
        for name, function in FILTERS.items():
            event.listen(db.session, name, function)


@contextmanager
def without_row_security() -> Iterator[None]:
    """Let tenants run as the login role, so that only core/scoping.py is active."""
    role = beginning.TENANT_ROLE
    beginning.TENANT_ROLE = "none"
    try:
        yield
    finally:
        beginning.TENANT_ROLE = role
