"""Statements that are compiled once and run by the driver alone, which takes a third of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError

Processor = Callable[[Any], Any]


class Prepared:
    """A SELECT of columns. Its rows are named tuples with the same values as SQLAlchemy's."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        self._compiled = statement.compile(dialect=dialect)
        if self._compiled.post_compile_params:
            raise ValueError("the text of this statement depends on its values")
        self._text = self._compiled.string
        self._types = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
        self._dialect = dialect
        self._processors: list[tuple[int, Processor]] | None = None  # depend on the types of the first result

    def rows(self, connection: Connection, **values: Any) -> Sequence[Any]:
        """Run it with these values of its parameters, without a transaction unless there is one.

        Events and errors are those of SQLAlchemy.
        """
        driver: Any = connection.connection.driver_connection
        given = self._compiled.construct_params(values)
        try:
            with nullcontext() if connection.in_transaction() else _alone(driver):
                cursor = psycopg.Cursor(driver, row_factory=self._row_factory)
                about = connection, cursor, self._text, given, None, False
                connection.dispatch.before_cursor_execute(*about)
                cursor.execute(self._text, given)
                connection.dispatch.after_cursor_execute(*about)
                return cursor.fetchall()
        except psycopg.Error as error:
            if is_lost := driver.closed:
                connection.invalidate()
            raise DBAPIError.instance(
                self._text, None, error, psycopg.Error, hide_parameters=True, connection_invalidated=is_lost
            ) from error

    def _row_factory(self, cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Any]:
        make, result = namedtuple_row(cursor), cursor.pgresult
        if self._processors is None and result is not None:
            found = [one.result_processor(self._dialect, result.ftype(n)) for n, one in enumerate(self._types)]
            self._processors = [(n, one) for n, one in enumerate(found) if one]
        processors = self._processors

        def row(values: Sequence[Any]) -> Any:
            read = list(values)
            for n, processor in processors or ():
                read[n] = processor(read[n])
            return make(read)

        return row if processors else make


@contextmanager
def _alone(driver: Any) -> Iterator[None]:
    """Let the driver begin no transaction."""
    driver.autocommit = True
    try:
        yield
    finally:
        if not driver.closed:
            driver.autocommit = False


@lru_cache(maxsize=64)
def prepared(statement: Select[*tuple[Any, ...]], dialect: Dialect) -> Prepared:
    """The statement, compiled. Only for statements that are built once."""
    return Prepared(statement, dialect)
