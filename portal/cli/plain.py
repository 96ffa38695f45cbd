"""What does an operator read where the database can't be worked with? One plain sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click
from flask import Flask
from psycopg import OperationalError
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from portal.core.errors import NeedsDirectUrl, RightsMissing

P = ParamSpec("P")
R = TypeVar("R")

IN_THE_WAY = (
    "Something stands where the portal would put its own: {}."
    " (The former backend's database becomes the portal's by `flask database adopt`.)"
)
UNKNOWN_HOST = "The host of DATABASE_URL is not known. Is its name right, and an @ in the password written as %40?"

# What libpq says where no connection came about: it gives no code, but its words have been the same for decades.
CONNECTING = {
    "password authentication failed": "The database server refuses the user or the password of DATABASE_URL.",
    "no password supplied": "The database server wants a password, and DATABASE_URL names none.",
    "no pg_hba.conf entry": "The database server lets this user in neither from here nor to this database"
    " (pg_hba.conf).",
    "connection refused": "No database server listens at the host and port of DATABASE_URL.",
    "failed to resolve host": UNKNOWN_HOST,
    "could not translate host name": UNKNOWN_HOST,
    "timeout expired": "The database server of DATABASE_URL does not answer.",
    "no such file or directory": "No database server listens at the socket of DATABASE_URL.",
    "invalid uri query parameter": "DATABASE_URL has an argument behind the ? that PostgreSQL does not know.",
    "invalid connection option": "DATABASE_URL has an argument behind the ? that PostgreSQL does not know.",
    "does not exist": "The database or the user that DATABASE_URL names does not exist on the server.",
    "too many": "The database server has no connection left.",
    "unsupported startup parameter": "A pooler stands before the database: add ?pgbouncer=true to DATABASE_URL.",
}
FAILING: dict[type[Exception], str] = {
    pg.InsufficientPrivilege: "The database user of DATABASE_URL may not do this: {}. It must own the portal's tables.",
    pg.UndefinedFile: "An extension is missing on the database server: {}. Install PostgreSQL's contrib package there.",
    pg.FeatureNotSupported: "The database server can't do this: {}. Is PostgreSQL's contrib package installed there?",
    pg.DuplicateTable: IN_THE_WAY,
    pg.DuplicateObject: IN_THE_WAY,
    pg.DuplicateFunction: IN_THE_WAY,
    pg.DependentObjectsStillExist: "Something else hangs on it: {}.",
    pg.UndefinedTable: "The portal's tables are not there, or not up to date: run `flask db upgrade`.",
    pg.UndefinedColumn: "The portal's tables are not up to date: run `flask db upgrade`.",
    pg.LockNotAvailable: "Others use the tables and did not let go in time; nothing was changed. Try again.",
    pg.DiskFull: "The database server's disk is full.",
    pg.ReadOnlySqlTransaction: "The database can only be read at the moment.",
}


def init_app(app: Flask) -> None:
    """Have every command, Flask-Migrate's too, say such things plainly."""
    pending: list[click.Command] = list(app.cli.commands.values())
    for command in pending:
        pending += command.commands.values() if isinstance(command, click.Group) else []
        if command.callback:
            command.callback = plainly(command.callback)


def plainly(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except (DBAPIError, PoolTimeout, NeedsDirectUrl, RightsMissing) as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from None

    return run


def sentence_of(error: Exception) -> str | None:
    """None where it is a fault of ours, whose traceback is wanted. Neither address nor password is part of it."""
    if isinstance(error, NeedsDirectUrl):
        return "This needs PostgreSQL's own address, not a pooler's of transactions: set DIRECT_URL."
    if isinstance(error, RightsMissing):
        return str(error)
    if isinstance(error, PoolTimeout):
        return "The database server has no connection left."
    cause: Any = getattr(error, "orig", None)
    primary = getattr(getattr(cause, "diag", None), "message_primary", "")
    for kind, sentence in FAILING.items():
        if isinstance(cause, kind):
            return sentence.format(primary)
    if getattr(cause, "sqlstate", None) is not None and not isinstance(cause, OperationalError):
        return None
    words = str(cause).lower()
    return next((sentence for mark, sentence in CONNECTING.items() if mark in words), _unknown(cause))


def _unknown(cause: Any) -> str | None:
    return "The database can't be worked with at the moment." if isinstance(cause, OperationalError) else None
