"""Transactions: begin each for an actor, commit, retry, and translate database errors."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar, TypeVarTuple

from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import _app_ctx_id
from psycopg import errors as pg
from psycopg import sql
from sqlalchemy import Connection, Engine, Row, Select, event, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, UOWTransaction
from sqlalchemy.orm.exc import StaleDataError

from portal.core import reconnecting as reconnecting  # listens to every engine
from portal.core import scoping
from portal.core.actor import SYSTEM, Actor, bind, current_actor, current_origin, unbind
from portal.core.connecting import LASTING, SETTINGS, Cursor, arguments
from portal.core.errors import Busy, Conflict, Missing, NeedsDirectUrl, NotAllowed
from portal.core.models import Base, Keyed
from portal.core.row_security import TENANT_ROLE as TENANT_ROLE  # the isolation self-test changes it here

P = ParamSpec("P")
R = TypeVar("R")
Ts = TypeVarTuple("Ts")

log = logging.getLogger("portal")

DIRECT = "direct"  # the engine for session locks and LISTEN, which transaction poolers don't support
MIGRATION_LOCK = 7_306_086_801  # any number, the same for every migration of one database
ATTEMPTS = 4
RETRIED = (pg.SerializationFailure, pg.DeadlockDetected)
ACTOR_SETTINGS = ("actor_id", "actor_role", "organization_id", "request_id", "address", "agent")
OPERATION_SETTINGS = ("operation_id", "undoes", "undone")  # of a single transaction; pooled connections would keep them
SET_BY_ACTOR = (
    # A plan for any search term or role would be bad for most. What the system looks up by a key keeps its plan.
    "set_config('plan_cache_mode', 'force_custom_plan', true)",
    "set_config('role', %s, true)",
    *(f"set_config('portal.{name}', %s, true)" for name in ACTOR_SETTINGS),
    *(f"set_config('portal.{name}', '', true)" for name in OPERATION_SETTINGS),
)
SET_ACTOR = f"SELECT num_nonnulls({', '.join(SET_BY_ACTOR)})"  # one column, because nobody reads the result
NO_ACTOR = ("none", *("" for _ in ACTOR_SETTINGS))

_scope: ContextVar[object | None] = ContextVar("session_scope", default=None)


db = SQLAlchemy(
    metadata=Base.metadata,
    session_options={
        "scopefunc": lambda: (_app_ctx_id(), _scope.get()),
        "expire_on_commit": False,
    },
)
FILTERS: dict[str, Callable[..., None]] = {"do_orm_execute": scoping.narrow, "after_flush": scoping.check_written}
for _event, _filter in FILTERS.items():
    event.listen(db.session, _event, _filter)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Act as another actor during the block, in a separate database session."""
    token, scope = bind(actor), _scope.set(object())
    try:
        yield
    finally:
        try:
            db.session.remove()
        finally:
            _scope.reset(scope)
            unbind(token)


@event.listens_for(db.session, "after_begin")
def set_actor(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    """Set the actor in PostgreSQL for this transaction, unless it is set already."""
    if transaction.nested:
        return
    actor = session.info["actor"] = current_actor()
    _set(connection, settings_of(actor) if session.info.get("command") or actor is not SYSTEM else NO_ACTOR)


def _set(connection: Connection, settings: tuple[str, ...]) -> None:
    if connection.info.get("actor_settings", NO_ACTOR) != settings:
        connection.exec_driver_sql(SET_ACTOR, settings)
        connection.info["actor_settings"] = settings


def settings_of(actor: Actor) -> tuple[str, ...]:
    """The role ('none' for actors without a tenant) and the ACTOR_SETTINGS to set in PostgreSQL."""
    origin = current_origin()
    return (
        "none" if actor.is_unlimited else TENANT_ROLE,
        str(actor.id or ""),
        "SYSTEM" if actor.role is None else actor.role.name,
        str(actor.organization_id or ""),
        origin.request_id,
        origin.address,
        origin.agent,
    )


@event.listens_for(db.session, "after_transaction_end")
def forget_actor(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop("actor", None)
        session.info.pop("written", None)


@event.listens_for(db.session, "do_orm_execute")
def note_statement(state: ORMExecuteState) -> None:
    if not state.is_select:
        state.session.info["written"] = True


@event.listens_for(db.session, "after_flush")
def note_flush(session: Session, _context: UOWTransaction) -> None:
    session.info["written"] = True


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


@event.listens_for(Engine, "begin")
def set_locally(connection: Connection) -> None:
    """Behind a pooler, set for each transaction what direct connections set once (see engine_options)."""
    settings: dict[str, str] = connection.get_execution_options().get("local_settings", {})
    if settings:
        calls = ", ".join("set_config(%s, %s, true)" for _ in settings)
        connection.exec_driver_sql(f"SELECT {calls}", tuple(part for pair in settings.items() for part in pair))


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def explain(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, context: Any, _many: bool
) -> tuple[str, Any]:
    """Run statements with the execution option `explain` as EXPLAIN. The result is one row: the plan, as JSON."""
    wanted = context is not None and context.execution_options.get("explain", False)
    return f"EXPLAIN (FORMAT JSON) {statement}" if wanted else statement, parameters


def command(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function in one transaction; nothing else commits. Inside another command it joins that transaction.

    Serialization failures and deadlocks run the function again, so it must load all rows itself. Raises Conflict if a
    constraint is violated, and Busy once the retries are used up.
    """
    return _command(function, Session.rollback)


def continued(function: Callable[P, R]) -> Callable[P, R]:
    """Like `command`, in the transaction that read the page, because another would have to set the actor again.

    Rows that were read for the page are not read again: writing one that has changed since raises StaleDataError.
    """
    return _command(function, _continue)


def _continue(session: Session) -> None:
    """Begin a new transaction, unless this one is the same actor's and only reads."""
    actor = session.info.get("actor", SYSTEM)  # a command of the system needs other settings
    pending = session.new or session.dirty or session.deleted or session.info.get("written")
    if actor == SYSTEM or actor != current_actor() or pending:
        session.rollback()


def _command(function: Callable[P, R], begin: Callable[[Session], None]) -> Callable[P, R]:
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        session = db.session()
        if session.info.get("command"):
            return function(*args, **kwargs)
        session.info["command"] = True
        try:
            begin(session)
            return _in_transaction(session, lambda: function(*args, **kwargs))
        finally:
            session.info.pop("command", None)

    return run


def _in_transaction(session: Session, work: Callable[[], R]) -> R:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            result = work()
            session.commit()
            return result
        except (DBAPIError, StaleDataError) as error:
            session.rollback()
            if isinstance(error, StaleDataError) or isinstance(error.orig, RETRIED):
                if attempt == ATTEMPTS:
                    raise Busy from error
                time.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311 -- jitter, no secret
            elif isinstance(error, IntegrityError):
                raise conflict_of(error) from error
            elif isinstance(error.orig, pg.InsufficientPrivilege):  # row-level security
                log.exception("refused by the database", exc_info=error)
                raise NotAllowed from error
            else:
                raise
        except BaseException:
            session.rollback()
            raise
    raise AssertionError("unreachable")


def conflict_of(error: IntegrityError) -> Conflict:
    """The field of a violated constraint, from its name: users_email_key is `email` of `users`."""
    diagnosis = getattr(error.orig, "diag", None)
    constraint = str(getattr(diagnosis, "constraint_name", None) or "")
    table = str(getattr(diagnosis, "table_name", None) or "")
    name = constraint.removeprefix(f"{table}_")
    for suffix in ("_key", "_fkey", "_check", "_pkey"):
        name = name.removesuffix(suffix)
    column = getattr(diagnosis, "column_name", None)
    return Conflict(column or name or None, "This value can't be used.", constraint=constraint or None)


def engine_options(
    url: str, *, pool_size: int, pool_timeout: float, statement_timeout: float, pools_transactions: bool = False
) -> dict[str, Any]:
    """Options for SQLAlchemy's engine. Durations are in seconds.

    Behind a transaction pooler, a connection's settings would leak to the next client, so they are set for each
    transaction, and no statement is prepared.
    """
    settings = {"statement_timeout": str(int(statement_timeout * 1000)), **SETTINGS}
    connect = arguments(url, {} if pools_transactions else {**settings, **LASTING})
    if pools_transactions:
        connect["prepare_threshold"] = None
    return {
        "execution_options": {"local_settings": settings if pools_transactions else {}},
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_timeout": pool_timeout,
        "pool_recycle": 1800,
        "hide_parameters": True,  # error messages go to the log, so they must not contain keys, hashes or addresses
        "connect_args": {**connect, "cursor_factory": Cursor},
    }


def direct_engine() -> Engine:
    """The engine that bypasses the pooler. Raises NeedsDirectUrl if only the pooler's address is known."""
    engines = db.engines
    if DIRECT in engines:
        return engines[DIRECT]
    if db.engine.get_execution_options().get("local_settings"):
        raise NeedsDirectUrl
    return db.engine


@contextmanager
def opened() -> Iterator[Connection]:
    """A connection in a transaction, which is rolled back."""
    with db.engine.connect() as connection:
        connection.begin()  # before a statement is prepared for a connection that may have to be replaced
        yield connection


def first_as_system(statement: Select[*Ts], **values: Any) -> Row[*Ts] | None:
    """The first row, read as the system without a session: what every request looks up costs half as much.

    core/scoping adds no conditions to it: see `scoping.active`.
    """
    with opened() as connection:
        _set(connection, NO_ACTOR)
        return connection.execute(statement, values).first()


def locked(statement: Select[R], *, with_deleted: bool = False) -> R:
    """Lock the statement's only row until the command ends, and return its current state. Missing if there is none."""
    options = {"with_deleted": with_deleted, "populate_existing": True}
    row = db.session.scalar(statement.with_for_update(), execution_options=options)
    if row is None:
        raise Missing
    return row


def was_created(model: type[Keyed], row_id: uuid.UUID) -> bool:
    """Whether anybody ever created the row: used to recognize a form that was sent twice."""
    with acting_as(SYSTEM):
        found = select(model.id).where(model.id == row_id)
        return db.session.scalar(found, execution_options={"with_deleted": True}) is not None


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """COPY rows into a table inside the running command, with all triggers. Returns how many."""
    names = sql.SQL(", ").join(sql.Identifier(column) for column in columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    connection: Any = db.session.connection().connection.driver_connection
    copied = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            copied += 1
    return copied


@contextmanager
def without_time_limit() -> Iterator[None]:
    """Disable the statement timeout for the current transaction, for long tasks of the command line."""
    db.session.connection().exec_driver_sql("SELECT set_config('statement_timeout', '0', true)")
    yield
