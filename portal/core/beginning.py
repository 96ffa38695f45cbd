"""Begin each transaction with one message: BEGIN and the settings of its actor."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import errors, generators
from psycopg.pq import Escaping, ExecStatus
from sqlalchemy import Connection, Engine, event

from portal.core.actor import SYSTEM, Actor, current_actor, current_origin, has_actor, is_read_only
from portal.core.row_security import TENANT_ROLE as TENANT_ROLE  # the isolation self-test changes it here

ACTOR_SETTINGS = ("actor_id", "actor_role", "organization_id", "request_id", "address", "agent")
OPERATION_SETTINGS = ("operation_id", "undoes", "undone")  # of a single transaction; pooled connections would keep them
SET_BY_ACTOR = (
    "set_config('plan_cache_mode', %s, true)",
    "set_config('role', %s, true)",
    *(f"set_config('portal.{name}', %s, true)" for name in ACTOR_SETTINGS),
    *(f"set_config('portal.{name}', '', true)" for name in OPERATION_SETTINGS),
)
SET_ACTOR = f"SELECT num_nonnulls({', '.join(SET_BY_ACTOR)})"  # one column, because nobody reads the result
NO_ACTOR = ("auto", "none", *("" for _ in ACTOR_SETTINGS))
# A plan for any search term or role would be bad for most.
_plans: ContextVar[str] = ContextVar("plans", default="force_custom_plan")


@contextmanager
def keeping_plans() -> Iterator[None]:
    """Let PostgreSQL keep the plans of the block's statements: for those that find rows by a key or a place."""
    token = _plans.set("auto")
    try:
        yield
    finally:
        _plans.reset(token)


def begins(connection: Connection) -> bool:
    """Begin a transaction for the current actor, unless the connection commits each statement by itself.

    False if the connection turns out to be closed. The first statement reports other problems, such as a missing role.
    """
    driver: Any = connection.connection.driver_connection
    if driver.autocommit:
        return True
    settings = settings_of(current_actor()) if has_actor() and current_actor() is not SYSTEM else NO_ACTOR
    local: dict[str, str] = connection.get_execution_options().get("local_settings", {})
    try:
        with driver.lock:
            driver.wait(_sent(driver.pgconn, _beginning(driver.pgconn, settings, local)))
    except (psycopg.OperationalError, psycopg.InterfaceError):
        return not driver.closed
    except psycopg.Error:
        with driver.lock:
            driver.wait(_sent(driver.pgconn, b"ROLLBACK"))
            driver.wait(_sent(driver.pgconn, _beginning(driver.pgconn, NO_ACTOR, local)))
        return True
    if settings != NO_ACTOR:
        connection.info["actor_settings"] = settings
    return True


def _beginning(pgconn: psycopg.pq.abc.PGconn, settings: tuple[str, ...], local: dict[str, str]) -> bytes:
    """The text, with values as literals, because a message with parameters can't contain several statements."""
    literal = Escaping(pgconn).escape_literal
    parts = ["BEGIN READ ONLY" if is_read_only() else "BEGIN"]
    # Behind a pooler, set for each transaction what direct connections set once (see db.engine_options).
    parts += [f"SET LOCAL {name} = {bytes(literal(value.encode())).decode()}" for name, value in local.items()]
    if settings != NO_ACTOR or is_read_only():  # after a first query, nothing can make the transaction writable again
        parts.append(SET_ACTOR % tuple(bytes(literal(value.encode())).decode() for value in settings))
    return ";".join(parts).encode()


def _sent(pgconn: psycopg.pq.abc.PGconn, command: bytes) -> Generator[Any, Any, None]:
    pgconn.send_query(command)
    for result in (yield from generators.execute(pgconn)):
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise errors.error_from_result(result)


def set_actor(connection: Connection, actor: Actor, *, in_command: bool) -> None:
    """Set the actor in PostgreSQL for this transaction, unless it already began as this actor."""
    set_to(connection, settings_of(actor) if in_command or actor is not SYSTEM else NO_ACTOR)


def set_to(connection: Connection, settings: tuple[str, ...]) -> None:
    if connection.info.get("actor_settings", NO_ACTOR) != settings:
        connection.exec_driver_sql(SET_ACTOR, settings)
        connection.info["actor_settings"] = settings


def settings_of(actor: Actor) -> tuple[str, ...]:
    """The mode of plans, the role ('none' for actors without a tenant) and the ACTOR_SETTINGS to set in PostgreSQL."""
    origin = current_origin()
    return (
        _plans.get(),
        "none" if actor.is_unlimited else TENANT_ROLE,
        str(actor.id or ""),
        "SYSTEM" if actor.role is None else actor.role.name,
        str(actor.organization_id or ""),
        origin.request_id,
        origin.address,
        origin.agent,
    )


def forget_settings(connection: Connection, *_: Any) -> None:
    """Settings end with their transaction, and rolling back to a savepoint restores older ones."""
    if not connection.invalidated:  # a lost connection has no settings, and accessing its info would fail
        connection.info.pop("actor_settings", None)


def mark_settings_unknown(connection: Connection, *_: Any) -> None:
    if not connection.invalidated:
        connection.info["actor_settings"] = None


event.listen(Engine, "commit", forget_settings)
event.listen(Engine, "rollback", forget_settings)
event.listen(Engine, "rollback_savepoint", mark_settings_unknown)
