"""Run a query of the SQL page, and describe its rows or its error."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from psycopg import Error
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError

from portal.core.errors import Overdue
from portal.data_browser.explaining import explained
from portal.data_browser.reading import ROOM, Answer, NoRowsError, reading, run
from portal.data_browser.tables import readable_everywhere
from portal.data_browser.vetting import RefusedQueryError

WIDEST = 500
WAYS = {"run": "", "explain": "EXPLAIN ", "analyze": "EXPLAIN (ANALYZE, BUFFERS) "}
NUMBERS = frozenset({20, 21, 23, 26, 700, 701, 1700})  # the OIDs of PostgreSQL's numeric types
NO_ROWS = (
    "Only queries that return rows can be run here: SELECT, VALUES, TABLE, WITH or SHOW, or EXPLAIN of one of these."
)
SECRET = "Passwords, tokens and other secrets can't be read here. List columns by name instead of * in their tables."  # noqa: S105
OVERDUE = (
    "The query took longer than {:g} s. PostgreSQL can't interrupt what it is doing, so it is still running."
    " You can run another query once it has ended."
)
NAMED = re.compile(r'"([^"]+)"')
OFFENDING = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'|\w+|[^\w\s]+')


@dataclass(frozen=True)
class Trouble:
    """A query error and its position: the line number, the offending word and its context."""

    message: str
    hint: str | None = None
    line: int | None = None
    before: str = ""
    word: str = ""
    after: str = ""


def asked(query: str, way: str, *, seconds: float, places: int, most: int, room: int = ROOM) -> Answer | Trouble:
    """Run the query, limited in time and rows."""
    plan = WAYS.get(way, "")
    statement = plan + (explained(query)[1] if plan else query)
    readable: set[str] = set()
    try:
        with reading(seconds, places=places) as connection:
            try:
                return run(connection, statement, most=most, room=room)
            except Error as error:
                if isinstance(error, pg.UndefinedColumn) and error.diag.message_hint:
                    readable = readable_everywhere(connection)
                raise
    except Overdue:
        return Trouble(OVERDUE.format(seconds))
    except NoRowsError:
        return Trouble(NO_ROWS)
    except RefusedQueryError as error:
        return Trouble(str(error))
    except DBAPIError as error:
        if error.connection_invalidated or not isinstance(error.orig, Error):
            raise
        return _trouble(error.orig, query, 0, seconds, readable)
    except Error as error:
        return _trouble(error, query, len(query) - len(explained(statement)[1]), seconds, readable)


def is_number(kind: int) -> bool:
    return kind in NUMBERS


def _trouble(error: Error, query: str, offset: int, seconds: float, readable: Set[str]) -> Trouble:
    diagnosis = error.diag
    message, hint = diagnosis.message_primary or "PostgreSQL rejected the query.", diagnosis.message_hint or None
    if isinstance(error, pg.QueryCanceled):
        message, hint = (
            f"The query took longer than {seconds:g} s and was stopped.",
            "Narrow the query, or check its plan.",
        )
    elif isinstance(error, pg.InsufficientPrivilege) and "table" in message:
        hint = SECRET
    elif "multiple commands" in message:
        message = "Enter a single statement."
    elif isinstance(error, pg.UndefinedColumn) and hint:
        named = {one.rpartition(".")[2] for one in NAMED.findall(hint)}
        hint = hint if named <= readable else None
    return Trouble(f"{message[:1].upper()}{message[1:WIDEST]}", hint, **_place(diagnosis, query, offset))


def _place(diagnosis: Any, query: str, offset: int) -> dict[str, Any]:
    """The position in the query; empty if PostgreSQL reports one inside a function."""
    place = int(diagnosis.statement_position or 0) - 1 + offset
    if not diagnosis.statement_position or not 0 <= place <= len(query):
        return {}
    begin = query.rfind("\n", 0, place) + 1
    line = query[begin:].split("\n", 1)[0]
    found = OFFENDING.match(line, place - begin)
    end = found.end() if found else place - begin
    return {
        "line": query.count("\n", 0, place) + 1,
        "before": line[: place - begin][-WIDEST:],
        "word": line[place - begin : end][:WIDEST],
        "after": line[end:][:WIDEST],
    }
