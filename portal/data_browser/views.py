"""The pages of the data browser: tables, rows and the SQL page."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue
from psycopg import errors as pg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from portal.core.db import db
from portal.core.errors import Missing, Occupied, Overdue
from portal.core.history import record
from portal.data_browser import queries, results, rows
from portal.data_browser.actions import (
    DATA_BROWSER_COPIED,
    DATA_BROWSER_DOWNLOADED,
    DATA_BROWSER_OPENED,
    DATA_BROWSER_QUERIED,
)
from portal.data_browser.box import Trouble, asked, is_number
from portal.data_browser.conditions import Unfit
from portal.data_browser.forms import QueryForm
from portal.data_browser.pages import LONGEST_KEY, SIZES, View
from portal.data_browser.permissions import DATA_BROWSER_READ
from portal.data_browser.reading import ROOM, Answer, reading
from portal.data_browser.tables import Table, all_tables, counted, table_named
from portal.data_browser.values import Value, as_text
from portal.resources.resource import resources
from portal.web import reauthentication
from portal.web.error_pages import RETRY_AFTER, status_of
from portal.web.given import current_settings
from portal.web.guards import requires
from portal.web.rendering import render, set_browser_url, wants_fragment
from portal.web.urls import here

bp = Blueprint("data_browser", __name__, url_prefix="/browser")
UNFIT = (pg.DataError, pg.UndefinedFunction)  # a value or comparison that the column's type doesn't support
LONG_STATEMENTS = 2  # per page: its rows, and a count
INTERNAL = "internal"

# The page on which a row can be changed, and the column with the id for its URL.
PAGES = {
    **{
        name: ("users.show", "user_id")
        for name in ("api_tokens", "authenticators", "passkeys", "recovery_codes", "refresh_tokens", "sessions")
    },
    "activity": ("activity.show", "operation_id"),
}


@bp.get("/")
@requires(DATA_BROWSER_READ)
def index() -> ResponseReturnValue:
    """List all tables."""
    with _reading() as connection:
        tables = all_tables(connection).values()
        rows = counted(connection, tables)
    return render("data_browser/index.html", tables=tables, rows=rows, as_text=as_text)


@bp.get("/<table>")
@requires(DATA_BROWSER_READ)
def show(table: str) -> ResponseReturnValue:
    """Show a page of a table."""
    with _reading() as connection:
        tables = all_tables(connection)
        view = View(table_named(tables, table), request.args, here())
        page = _page(view, connection)
    record(DATA_BROWSER_OPENED, table=table)
    response = render(
        "data_browser/table.html",
        fragment="data_browser/_table.html",
        view=view,
        table=view.table,
        page=page,
        sizes=SIZES,
        row_url=row_url,
        starter=starter(view.table),
        status=422 if view.problem else 200,
    )
    return response if view.problem else set_browser_url(response, view.url, extends=False)


@bp.get("/<table>/row")
@requires(DATA_BROWSER_READ)
def row(table: str) -> ResponseReturnValue:
    """Show a row with its references in both directions, or a preview for htmx."""
    key = _key()
    with _reading() as connection:
        tables = all_tables(connection)
        one = table_named(tables, table)
        values = _found(lambda: rows.values_of(connection, one, key))
        around = [] if wants_fragment() else rows.pointing(connection, tables, one, values)
    is_whole = _wants_internal()
    record(DATA_BROWSER_OPENED, table=table)
    return render(
        "data_browser/row.html",
        fragment="data_browser/_row.html",
        table=one,
        key=key,
        values=[value for value in values if is_whole or not value.column.is_internal],
        has_hidden=not is_whole and any(column.is_internal for column in one.columns.values()),
        more={INTERNAL: 1} if is_whole else {},
        around=around,
        row_url=row_url,
        page_url=_page_of(one, values),
        is_deleted=any(value.column.name == "deleted_at" and value.text for value in values),
    )


@bp.get("/<table>/row.json")
@requires(DATA_BROWSER_READ)
def copy(table: str) -> ResponseReturnValue:
    """Return a row as JSON, without secrets; for htmx, in a dialog with a copy button."""
    key = _key()
    with _reading() as connection:
        one = table_named(all_tables(connection), table)
        text = _found(lambda: rows.as_json(connection, one, key, internal=_wants_internal()))
    record(DATA_BROWSER_COPIED, table=table, details={"row": ", ".join(key)})
    if wants_fragment():
        return render("data_browser/_copy.html", table=one, text=text)
    return Response(f"{text}\n", mimetype="application/json")


@bp.get("/sql")
@requires(DATA_BROWSER_READ)
def sql() -> ResponseReturnValue:
    """Show the SQL page, with a previous query or one suggested by a table's page."""
    form = QueryForm(query=_wanted())
    return _box(form)


@bp.post("/sql")
@requires(DATA_BROWSER_READ)
@reauthentication.required
def query() -> ResponseReturnValue:
    """Run or explain a query, or download its result."""
    form = QueryForm()
    if not form.validate_on_submit():
        return _box(form, status=422)
    text, way = str(form.query.data), request.form.get("way", "run")
    is_download = way in results.KINDS
    record(DATA_BROWSER_DOWNLOADED if is_download else DATA_BROWSER_QUERIED, details={"query": text})
    settings = current_settings()
    try:
        answer = asked(
            text,
            way,
            seconds=settings.data_browser_seconds,
            places=settings.data_browser_slots,
            most=results.MOST_ROWS if is_download else settings.data_browser_rows,
            room=results.ROOM if is_download else ROOM,
        )
    except Occupied as error:
        response = _box(form, Trouble(error.message), status=status_of(error))
        response.headers["Retry-After"] = RETRY_AFTER
        return response
    if is_download and isinstance(answer, Answer):
        return results.download_result(answer, way)
    return _box(form, answer, status=200 if isinstance(answer, Answer) else 422)


def _box(form: QueryForm, answer: Any = None, *, status: int = 200) -> Response:
    is_answer = isinstance(answer, Answer)
    return render(
        "data_browser/sql.html",
        fragment="data_browser/_answer.html",
        form=form,
        answer=answer if is_answer else None,
        trouble=None if is_answer else answer,
        is_plan=is_answer and answer.is_plan,
        numbers=[is_number(kind) for kind in answer.types] if is_answer else [],
        own=db.session.execute(queries.own()).all(),
        settings=current_settings(),
        kinds=results.KINDS.items(),
        status=status,
    )


def starter(table: Table) -> str:
    """A query of a table's readable columns, to start from."""
    names = ", ".join(_quoted(one.name) for one in table.readable if not one.is_internal)
    return f"SELECT {names}\nFROM {table.name}\nLIMIT 100"


def row_url(table: str, key: Sequence[str], *, endpoint: str = "data_browser.row", **more: Any) -> str:
    return url_for(endpoint, table=table, key=list(key), **more)


def _wants_internal() -> bool:
    return INTERNAL in request.args


def _wanted() -> str:
    """The query that the URL requests: a previous one by its key, or one to start from for a table."""
    name = request.args.get("table", "")
    if name:
        with _reading() as connection:
            return starter(table_named(all_tables(connection), name))
    try:
        key = uuid.UUID(request.args.get("from", ""))
    except ValueError:
        return ""
    found = db.session.execute(queries.own_one(key)).first()
    if found is None:
        raise Missing
    return str(found.query)


@contextmanager
def _reading() -> Iterator[Connection]:
    settings = current_settings()
    places = settings.data_browser_slots
    try:
        with reading(
            settings.data_browser_seconds, places=places, statements=LONG_STATEMENTS, waits=True
        ) as connection:
            yield connection
    except DBAPIError as error:
        if isinstance(error.orig, pg.QueryCanceled):
            raise Overdue from error
        raise


def _page(view: View, connection: Connection) -> Any:
    """Read the rows. None if the request is invalid or takes too long; `problem` then has the message."""
    try:
        return view.page(connection)
    except DBAPIError as error:
        if isinstance(error.orig, pg.QueryCanceled):
            view.problem = Unfit(
                "The query took too long. Add a filter, exclude deleted rows, or sort by an indexed column."
            )
        elif isinstance(error.orig, UNFIT):
            view.problem = Unfit("A value or position doesn't fit its column.")
        else:
            raise
        return None


def _found(read: Any) -> Any:
    """Read a row. Raises Missing if the key is invalid."""
    try:
        return read()
    except DBAPIError as error:
        if isinstance(error.orig, UNFIT):
            raise Missing from None
        raise


def _key() -> list[str]:
    key = request.args.getlist("key")
    if any(len(one) > LONGEST_KEY for one in key):
        raise Missing
    return key


def _page_of(table: Table, values: Sequence[Value]) -> str | None:
    """The URL of the page on which the row can be changed, if there is one."""
    edited = (f"{table.name}.edit", "id") if table.name in resources() else (None, None)
    endpoint, name = PAGES.get(table.name, edited)
    texts: Mapping[str, str | None] = {value.column.name: value.text for value in values}
    key = texts.get(name or "")
    return url_for(endpoint, id=key) if endpoint and key else None


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.islower() else f'"{name}"'
