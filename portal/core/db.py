"""Transactions: begin each for an actor, commit, retry, and translate database errors."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import _app_ctx_id
from psycopg import errors as pg
from psycopg import sql
from sqlalchemy import Connection, Engine, Select, event, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, UOWTransaction
from sqlalchemy.orm.exc import StaleDataError

from portal.core import beginning, scoping
from portal.core import reconnecting as reconnecting  # listens to every engine
from portal.core.actor import SYSTEM, Actor, bind, current_actor, unbind
from portal.core.connecting import LASTING, SETTINGS, Cursor, arguments
from portal.core.errors import Busy, Conflict, Missing, NeedsDirectUrl, NotAllowed
from portal.core.models import Base, Keyed
from portal.core.prepared import kept_rows, prepared, rows_of

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("portal")

NO_VALUES: Mapping[str, Any] = {}
DIRECT = "direct"  # the engine for session locks and LISTEN, which transaction poolers don't support
MIGRATION_LOCK = 7_306_086_801  # any number, the same for every migration of one database
ATTEMPTS = 4
RETRIED = (pg.SerializationFailure, pg.DeadlockDetected)

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
    beginning.set_actor(connection, actor, in_command=bool(session.info.get("command")))


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
    """The field of a violated constraint, from its name: users_email_key is `email` of `users`.

    Constraints named `..._rule` are checked by SQL functions, whose message is shown to people.
    """
    diagnosis = getattr(error.orig, "diag", None)
    constraint = str(getattr(diagnosis, "constraint_name", None) or "")
    table = str(getattr(diagnosis, "table_name", None) or "")
    name = constraint.removeprefix(f"{table}_")
    for suffix in ("_key", "_fkey", "_check", "_pkey", "_rule"):
        name = name.removesuffix(suffix)
    column = getattr(diagnosis, "column_name", None)
    message = (
        str(diagnosis.message_primary) if diagnosis and constraint.endswith("_rule") else "This value can't be used."
    )
    return Conflict(column or name or None, message, constraint=constraint or None)


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
def opened(*, begins: bool) -> Iterator[Connection]:
    """A connection, in a transaction if asked for or if its settings are those of a transaction. It is rolled back."""
    with db.engine.connect() as connection:
        if begins or connection.get_execution_options().get("local_settings"):
            connection.begin()
        yield connection


def read(statement: Select[*tuple[Any, ...]], values: Mapping[str, Any] = NO_VALUES, **options: bool) -> Sequence[Any]:
    """The rows of a SELECT of columns, as session.execute() gives them with these execution options, at half the cost.

    The values are those of its named parameters. What is built once (`scoping.kept`) is compiled once. Without
    parameters and tenant, its other values are constant, and PostgreSQL keeps its plan.
    """
    session = db.session()
    session.flush()
    connection = session.connection()
    if event.contains(db.session, "do_orm_execute", scoping.narrow):  # the isolation self-test disables it
        statement = scoping.scoped(session, statement, options)
    if scoping.is_kept(statement):
        is_constant = current_actor().is_unlimited and not values
        return kept_rows(statement, connection, values, literal=is_constant)
    return rows_of(statement, connection, values)


def first_as_system(statement: Select[*tuple[Any, ...]], **values: Any) -> Any:
    """The first row, read as the system: without a session and, if possible, a transaction, at a third of the cost.

    core/scoping adds no conditions to it: see `scoping.active`. The statement must be built only once.
    """
    try:
        return _first(statement, values, begins=False)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        return _first(statement, values, begins=True)  # which replaces closed connections


def _first(statement: Select[*tuple[Any, ...]], values: dict[str, Any], *, begins: bool) -> Any:
    with opened(begins=begins) as connection:
        if connection.in_transaction():
            beginning.set_to(connection, beginning.NO_ACTOR)
        return next(iter(prepared(statement, db.engine.dialect).rows(connection, values)), None)


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
