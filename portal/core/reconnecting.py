"""Replace idle connections that the server closed, before any statement is sent on them.

This happens after idle_session_timeout, a restart or a failover. No statement is ever sent twice, except
look-ups that only read: see `db.first_as_system`.
"""

from __future__ import annotations

import select
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from portal.core.beginning import begins


@event.listens_for(Engine, "checkout")
def replace_closed(dbapi_connection: psycopg.Connection[Any], record: ConnectionPoolEntry, _: Any) -> None:
    """Replace an idle connection with unread data: the server closed it.

    New connections are not checked because the pool retries only twice.
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
def begin(connection: Connection) -> None:
    """Begin before the first statement instead of together with it, at the same cost.

    A closed connection that was not noticed yet fails here, before any statement, and is replaced; so are all others of
    the pool if needed.
    """
    pool = connection.engine.pool
    for _ in range(pool.size() if isinstance(pool, QueuePool) else 1):
        if begins(connection):
            return
        connection.invalidate()
    begins(connection)
