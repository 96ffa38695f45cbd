"""Run SELECT statements of columns by the driver alone, which takes a third of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, Dialect, Select
from sqlalchemy.exc import DBAPIError

Processor: TypeAlias = Callable[[Any], Any]
Columns: TypeAlias = Select[*tuple[Any, ...]]


class Prepared:
    """A compiled SELECT of columns. Its rows are named tuples with the same values as SQLAlchemy's."""

    def __init__(self, statement: Columns, compiled: Any, dialect: Dialect) -> None:
        self.depends_on_values = bool(compiled.post_compile_params or compiled.literal_execute_params)  # its text
        self._compiled = compiled
        self._text = compiled.string
        self._types = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
        self._dialect = dialect
        found = {name: one.type.dialect_impl(dialect).bind_processor for one, name in compiled.bind_names.items()}
        self._writers = [(name, write) for name, of in found.items() if (write := of(dialect))]
        self._readers: list[tuple[int, Processor]] | None = None  # depend on the types of the first result

    def rows(self, connection: Connection, values: Mapping[str, Any], given: Sequence[Any] | None = None) -> list[Any]:
        """Run it, without a transaction unless there is one. Events and errors are those of SQLAlchemy.

        The values are those of named parameters, or `given` by a statement of the same form.
        """
        driver: Any = connection.connection.driver_connection
        parameters = self._compiled.construct_params(values, extracted_parameters=given)
        for name, write in self._writers:
            parameters[name] = write(parameters[name])
        try:
            with nullcontext() if connection.in_transaction() else _alone(driver):
                cursor = psycopg.Cursor(driver, row_factory=self._row_factory)
                about = connection, cursor, self._text, parameters, None, False
                connection.dispatch.before_cursor_execute(*about)
                cursor.execute(self._text, parameters)
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
        if self._readers is None and result is not None:
            found = [one.result_processor(self._dialect, result.ftype(n)) for n, one in enumerate(self._types)]
            self._readers = [(n, one) for n, one in enumerate(found) if one]
        readers = self._readers

        def row(values: Sequence[Any]) -> Any:
            read = list(values)
            for n, processor in readers or ():
                read[n] = processor(read[n])
            return make(read)

        return row if readers else make


@contextmanager
def _alone(driver: Any) -> Iterator[None]:
    """Let the driver begin no transaction."""
    driver.autocommit = True
    try:
        yield
    finally:
        if not driver.closed:
            driver.autocommit = False


@lru_cache(maxsize=256)
def prepared(statement: Columns, dialect: Dialect, *, literal: bool = False) -> Prepared:
    """The statement, compiled. Only for statements that are built once.

    With `literal`, the text contains the values. PostgreSQL keeps the plan of a statement without parameters.
    """
    kwargs = {"literal_binds": True} if literal else {}
    return Prepared(statement, statement.compile(dialect=dialect, compile_kwargs=kwargs), dialect)


def kept_rows(statement: Columns, connection: Connection, values: Mapping[str, Any], *, literal: bool) -> Sequence[Any]:
    """The rows of a statement that is built once."""
    one = prepared(statement, connection.dialect, literal=literal)
    return connection.execute(statement, dict(values)).all() if one.depends_on_values else one.rows(connection, values)


def rows_of(statement: Columns, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
    """The rows of any SELECT of columns. What was compiled for another one of the same form is used again."""
    dialect, cache = connection.dialect, connection.engine._compiled_cache
    found, given, *_ = statement._compile_w_cache(dialect, compiled_cache=cache, column_keys=[])
    compiled: Any = found  # it keeps what was made of it, and both go when SQLAlchemy forgets it
    form: Prepared | None = getattr(compiled, "prepared", None)
    if form is None:
        form = compiled.prepared = Prepared(statement, compiled, dialect)
    if form.depends_on_values:
        return connection.execute(statement, dict(values)).all()
    return form.rows(connection, values, given)
