"""Set up connections to PostgreSQL, and refuse databases that the portal can't run on.

These settings override what a login, a database or a URL sets (ALTER ROLE ... SET, ?options=), so that tables are found
in the schema `public` whatever other schemas exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus
from sqlalchemy import Connection, Engine, event, make_url

from portal.core.errors import UnsuitableDatabase

OLDEST = 15
ENCODING = "UTF8"

# Functions have backslashes in texts. The last two are the only formats that the driver can parse.
SETTINGS = {
    "timezone": "UTC",
    "search_path": "public",
    "role": "none",
    "row_security": "on",
    "standard_conforming_strings": "on",
    "datestyle": "ISO",
    "intervalstyle": "postgres",
}
# Settings that can only be set when a connection starts. Rows are read after they are locked, hence READ COMMITTED.
# Compiling a plan takes longer than any statement of a page.
LASTING = {
    "jit": "off",
    "default_transaction_isolation": r"read\ committed",
}

UNDESCRIBED = (None,) * 5  # size, precision and the like

TOO_OLD = "PostgreSQL {} is too old. The portal needs version " + f"{OLDEST} or later."
NOT_UTF8 = (
    "The database uses {}, which can't store most of the world's names. The portal needs a database created with"
    " ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0."
)


def arguments(url: str, settings: Mapping[str, str], application_name: str = "portal") -> dict[str, Any]:
    """Driver arguments in addition to the URL, which overrides all of them except the settings."""
    query = make_url(url).query
    defaults = {"connect_timeout": 5, "application_name": application_name}
    chosen = {name: value for name, value in defaults.items() if name not in query}
    options = (str(query.get("options", "")), *(f"-c {name}={value}" for name, value in settings.items()))
    return {**chosen, "client_encoding": "utf8", "options": " ".join(part for part in options if part)}


def parameters(url: str, settings: Mapping[str, str], application_name: str) -> dict[str, Any]:
    """All driver arguments, including the URL, for use without an engine."""
    parsed = make_url(url)
    _, address = parsed.get_dialect()().create_connect_args(parsed)
    address.pop("context", None)
    return {**address, **arguments(url, settings, application_name)}


class Cursor(psycopg.Cursor[Any]):
    """A cursor that describes columns only by name and type, as SQLAlchemy needs: the driver looks up much more."""

    @property
    def description(self) -> Any:
        result = self.pgresult
        if result is None or not (result.nfields or result.status == ExecStatus.TUPLES_OK):
            return None
        columns = range(result.nfields)
        return [((result.fname(n) or b"").decode(), result.ftype(n), *UNDESCRIBED) for n in columns]


@event.listens_for(Engine, "rollback")
def keep_prepared(connection: Connection) -> None:
    """Send ROLLBACK past the driver, whose own makes it forget all prepared statements, as tables may have been rolled
    back. No request creates any, and each read ends with a rollback. After an error, the driver sends its own.
    What was done on a lost connection is rolled back, too.
    """
    driver: Any = None if connection.invalidated else connection.connection.driver_connection
    if driver is None or driver.info.transaction_status not in (TransactionStatus.INTRANS, TransactionStatus.UNKNOWN):
        return
    try:
        with driver.lock:
            driver.wait(driver._exec_command(b"ROLLBACK"))
    except psycopg.OperationalError:
        connection.invalidate()


@event.listens_for(Engine, "first_connect", named=True)
def refuse_unsuitable(dbapi_connection: psycopg.Connection[Any], **_: Any) -> None:
    """Check what the server reports when a connection starts. UnsuitableDatabase is a driver error, so that code which
    tolerates an unavailable database tolerates this one too.
    """
    server = dbapi_connection.info
    if server.server_version < OLDEST * 10_000:
        raise UnsuitableDatabase(TOO_OLD.format(server.parameter_status("server_version")))
    if (encoding := server.parameter_status("server_encoding")) != ENCODING:
        raise UnsuitableDatabase(NOT_UTF8.format(encoding))
