"""What became of a query that somebody wrote: rows, or why not and where?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Error
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError

from portal.core.reading import Answer, NoRowsError, reading, run

WIDEST = 500
WAYS = {"run": "", "explain": "EXPLAIN ", "analyze": "EXPLAIN (ANALYZE, BUFFERS) "}
NUMBERS = frozenset({20, 21, 23, 26, 700, 701, 1700})  # PostgreSQL's numbers of its number types
NO_ROWS = "Only queries that give rows can be run here: SELECT, VALUES, TABLE, WITH, EXPLAIN or SHOW."
SECRET = "Passwords, tokens and the like can't be read here, so * can't be either where a table has some."  # noqa: S105


@dataclass(frozen=True)
class Trouble:
    """Why there are no rows, and where in the query: the line's number, and its text before and from there on."""

    message: str
    hint: str | None = None
    line: int | None = None
    before: str = ""
    rest: str = ""


def asked(query: str, way: str, *, seconds: float, most: int) -> Answer | Trouble:
    """Run it for so long, for so many rows."""
    beginning = WAYS[way]
    try:
        with reading(seconds) as connection:
            return run(connection, beginning + query, most=most)
    except NoRowsError:
        return Trouble(NO_ROWS)
    except DBAPIError as error:
        if error.connection_invalidated or not isinstance(error.orig, Error):
            raise
        return _trouble(error.orig, query, len(beginning), seconds)
    except Error as error:
        return _trouble(error, query, len(beginning), seconds)


def is_number(kind: int) -> bool:
    return kind in NUMBERS


def _trouble(error: Error, query: str, offset: int, seconds: float) -> Trouble:
    told = error.diag
    message, hint = told.message_primary or "PostgreSQL refused the query.", told.message_hint
    if isinstance(error, pg.QueryCanceled):
        message, hint = f"The query took longer than {seconds:g} s and was stopped.", "Narrow it, or look at its plan."
    elif isinstance(error, pg.InsufficientPrivilege) and "table" in message:
        hint = SECRET
    elif "multiple commands" in message:
        message = "One statement at a time."
    return Trouble(f"{message[:1].upper()}{message[1:]}", hint, **_place(told, query, offset))


def _place(told: Any, query: str, offset: int) -> dict[str, Any]:
    """Of statements within the statement PostgreSQL tells the place in those: it is not the reader's."""
    text = told.statement_position or (told.internal_position if told.internal_query in (None, query) else None)
    place = int(text or 0) - 1 - offset
    if not 0 <= place <= len(query):
        return {}
    begin = query.rfind("\n", 0, place) + 1
    line = query[begin:].split("\n", 1)[0]
    return {
        "line": query.count("\n", 0, place) + 1,
        "before": line[: place - begin][-WIDEST:],
        "rest": line[place - begin :][:WIDEST],
    }
