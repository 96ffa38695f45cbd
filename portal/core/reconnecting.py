"""How is a connection replaced that the server closed while nobody used it? Before anything was asked on it.

That is so after idle_session_timeout, a restart or a failover. No statement is ever sent twice.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool


@event.listens_for(Engine, "checkout")
def look_before_use(dbapi_connection: psycopg.Connection[Any], record: ConnectionPoolEntry, _: Any) -> None:
    """A connection on which nothing was asked and something is to be read was closed: the pool makes it anew.

    One that was made just now is not looked at, for the pool tries only twice.
    """
    if not record.info.setdefault("was_used", False):
        record.info["was_used"] = True
        return
    waiting = select.poll()
    try:
        waiting.register(dbapi_connection.fileno(), select.POLLIN)
    except psycopg.Error as error:
        raise DisconnectionError from error
    if waiting.poll(0):
        raise DisconnectionError


@event.listens_for(Engine, "begin")
def begin_at_once(connection: Connection) -> None:
    """Send BEGIN before the first statement instead of with it, which costs the same.

    A connection whose end was not seen yet fails here, where nothing was asked, and another takes its place; so may all
    of the pool.
    """
    pool = connection.engine.pool
    for _ in range(pool.size() if isinstance(pool, QueuePool) else 1):
        if _begins(connection.connection.driver_connection):
            return
        connection.invalidate()
    _begins(connection.connection.driver_connection)


def _begins(driver: Any) -> bool:
    """Whether the connection is there. What else is wrong, the first statement says."""
    try:
        with driver.lock:
            driver.wait(driver._start_query())
    except (psycopg.OperationalError, psycopg.InterfaceError):
        return not driver.closed
    return True
