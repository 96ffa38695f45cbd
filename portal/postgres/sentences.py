"""Describe database problems to operators in one sentence."""

from __future__ import annotations

import re
from typing import Any

from psycopg import OperationalError
from psycopg import errors as pg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from portal.core.errors import Busy, NeedsDirectUrl, NotAllowed, UnsuitableDatabase
from portal.core.lines import one_line
from portal.postgres.preflight import IN_THE_WAY

UNKNOWN_HOST = "The host in DATABASE_URL is unknown. Check its name, and write @ in the password as %40."

NOT_SUCH_A_SERVER = "None of the hosts in DATABASE_URL meets its target_session_attrs."

# libpq's own descriptions of TLS problems name files, but contain nothing secret.
WHERE_FAILED = re.compile(r".*(?:port \d+|socket \"[^\"]*\") failed: (?:FATAL: +)?")
SECURING = "The connection to the database can't be secured: {}. See sslmode, sslrootcert, sslcert and sslkey."
TLS = (
    "root certificate", "could not open certificate file", "certificate present, but not private key",
    "private key file", "could not load private key", "could not read certificate file", "could not read root",
    "certificate verify failed", "does not match host name", "server does not support ssl", "ssl error",
    "invalid sslmode", "weak sslmode", "client certificate",
)  # fmt: skip

# libpq has no codes for failed connections, but the wording of its messages has been stable for decades.
CONNECTING = {
    "password authentication failed": "The database server rejects the user or the password in DATABASE_URL.",
    "no password supplied": "The database server requires a password, and DATABASE_URL has none.",
    "no pg_hba.conf entry": "The database server does not allow this user to connect to this database from"
    " here (pg_hba.conf).",
    "connection refused": "No database server listens at the host and port of DATABASE_URL.",
    "failed to resolve host": UNKNOWN_HOST,
    "could not translate host name": UNKNOWN_HOST,
    "timeout expired": "The database server of DATABASE_URL does not respond.",
    "definition of service": "DATABASE_URL names a service that pg_service.conf does not define.",
    "not found in file": "DATABASE_URL names a service that pg_service.conf does not define.",
    "session is read-only": NOT_SUCH_A_SERVER,
    "session is not read-only": NOT_SUCH_A_SERVER,
    "hot standby": NOT_SUCH_A_SERVER,
    "no such file or directory": "No database server listens at the socket of DATABASE_URL.",
    "invalid uri query parameter": "DATABASE_URL has a parameter after the ? that PostgreSQL does not recognize.",
    "invalid connection option": "DATABASE_URL has a parameter after the ? that PostgreSQL does not recognize.",
    "does not exist": "The database or the user that DATABASE_URL names does not exist on the server.",
    "too many": "The database server has no free connections.",
    "unsupported startup parameter": "The database is behind a pooler: add ?pgbouncer=true to DATABASE_URL.",
}
FAILING: dict[type[Exception], str] = {
    pg.InsufficientPrivilege: "The user of DATABASE_URL lacks a privilege: {}. It must own the portal's tables.",
    pg.UndefinedFile: "An extension is missing on the database server: {}. Install PostgreSQL's contrib package there.",
    pg.FeatureNotSupported: "The database server doesn't support this: {}. Is the contrib package installed there?",
    pg.DuplicateTable: IN_THE_WAY,
    pg.DuplicateObject: IN_THE_WAY,
    pg.DuplicateFunction: IN_THE_WAY,
    pg.DependentObjectsStillExist: "Something else depends on it: {}.",
    pg.UndefinedTable: "The portal's tables are missing or out of date: run `flask db upgrade`.",
    pg.UndefinedColumn: "The portal's tables are out of date: run `flask db upgrade`.",
    pg.LockNotAvailable: "The tables were in use for too long; nothing was changed. Try again.",
    pg.DiskFull: "The database server's disk is full.",
    pg.ReadOnlySqlTransaction: "The database is currently read-only.",
}


def sentence_of(error: Exception) -> str | None:
    """A sentence without URL or password; None for bugs in the portal, which need a traceback."""
    if isinstance(error, NeedsDirectUrl):
        return "This needs a direct connection to PostgreSQL, not a transaction pooler: set DIRECT_URL."
    if isinstance(error, NotAllowed):
        return "The database user of DATABASE_URL lacks a privilege: it must own the portal's tables."
    if isinstance(error, Busy):
        return "Other sessions are changing the same data; nothing was changed. Try again."
    if isinstance(error, PoolTimeout):
        return "The database server has no free connections."
    cause: Any = getattr(error, "orig", error)
    if isinstance(cause, UnsuitableDatabase):
        return str(cause)
    primary = getattr(getattr(cause, "diag", None), "message_primary", "")
    for kind, sentence in FAILING.items():
        if isinstance(cause, kind):
            return sentence.format(primary)
    if getattr(cause, "sqlstate", None) is not None and not isinstance(cause, OperationalError):
        return None
    words = str(cause).lower()
    if line := next((line for line in str(cause).splitlines() if any(mark in line.lower() for mark in TLS)), None):
        return SECURING.format(one_line(WHERE_FAILED.sub("", line)).rstrip("."))
    return next((sentence for mark, sentence in CONNECTING.items() if mark in words), _unknown(cause))


def _unknown(cause: Any) -> str | None:
    return "The database is currently unavailable." if isinstance(cause, OperationalError) else None
