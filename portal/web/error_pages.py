"""Error pages, with the id of the request."""

from __future__ import annotations

import logging

from flask import Flask, Response, current_app, g, request
from flask.globals import request_ctx
from flask_login import current_user
from flask_wtf.csrf import CSRFError
from psycopg.errors import ReadOnlySqlTransaction
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, InternalServerError

from portal.core.actions import Action
from portal.core.actor import Role, is_read_only
from portal.core.errors import (
    Busy,
    Conflict,
    Missing,
    NotAllowed,
    Occupied,
    Overdue,
    RateLimited,
    ReadOnly,
    UnsuitableDatabase,
)
from portal.core.history import record
from portal.web.arrival import instead_of
from portal.web.guards import NOTHING_CHANGES
from portal.web.problems import is_api, problem
from portal.web.rendering import render, wants_fragment
from portal.web.session import do_without_database

log = logging.getLogger("portal")

LONGEST_PATH = 200
REFUSED = Action(
    "refused", "was refused access", "Refused access", "shield", verb_with="was refused access to {path}",
    is_counted=True,
)  # fmt: skip
ASK_HIGHER = "Your role doesn't allow this. Ask a super administrator."
RETRY_AFTER = "5"
UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeout)
WORDS = {
    400: (
        "Invalid request",
        "The URL or the form contains invalid data. Go back and try again.",
    ),
    403: ("Access denied", "Your role doesn't allow this. Ask an administrator of your organization."),
    404: ("Page not found", "It doesn't exist, or you don't have access. It may have been moved or deleted."),
    405: ("Method not allowed", "This URL doesn't accept this kind of request."),
    409: ("Conflict", "Someone else changed this in the meantime. Go back, reload the page and try again."),
    413: ("Too large", "The request is larger than the portal accepts. Shorten it and send it again."),
    422: ("Invalid form", "Check the marked fields and send the form again."),
    429: ("Too many attempts", "Wait a moment, then try again."),
    500: (
        "Something went wrong",
        "An unexpected error occurred. No change was saved halfway. If it happens again, report the ID below.",
    ),
    503: (
        "Temporarily unavailable",
        "The database is unavailable or overloaded. No change was saved halfway. Try again in a few seconds.",
    ),
}
OCCUPIED = "The data browser is busy"
OVERDUE = "The database didn't respond in time. Narrow your search, then try again."
EXPIRED = (
    "This form was opened in another session, so nothing was saved. Go back and copy your entries, reload the page,"
    " and send the form from there."
)


def init_app(app: Flask) -> None:
    app.register_error_handler(Missing, lambda _: page(404))
    app.register_error_handler(NotAllowed, refused)
    app.register_error_handler(ReadOnly, viewing)
    app.register_error_handler(Busy, unavailable)
    app.register_error_handler(RateLimited, rate_limited)
    app.register_error_handler(Occupied, occupied)
    app.register_error_handler(Overdue, lambda _: page(503, OVERDUE, title="That took too long"))
    app.register_error_handler(Conflict, lambda error: page(409, error.message))
    app.register_error_handler(CSRFError, lambda _: page(400, EXPIRED))
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(DataError, lambda _: page(400))
    for kind in UNAVAILABLE:
        app.register_error_handler(kind, unavailable)
    app.register_error_handler(DBAPIError, database_error)


def page(code: int, message: str | None = None, *, title: str | None = None) -> Response:
    """Render the error page. For htmx, render a message that leaves the current page as it is."""
    if is_api():
        return problem(code, message)
    if start := instead_of(code):
        return start
    if request_ctx.url_adapter is None:  # the Host was invalid, so Flask built no URL adapter, but the page has links
        request_ctx.url_adapter = current_app.url_map.bind("", script_name=request.script_root or "/")
    if code >= 500:
        do_without_database()
    usual, words = WORDS.get(code, WORDS[400 if code < 500 else 500])
    context = {
        "code": code,
        "title": title or usual,
        "message": message or words,
        "request_id": g.get("request_id", ""),
    }
    try:
        response = render("errors/error.html", fragment="errors/_note.html", status=code, **context)
    except UNAVAILABLE as error:  # the person wasn't loaded yet, and can't be now
        return unavailable(error)
    if wants_fragment():
        response.headers["HX-Retarget"] = "#toasts"
        response.headers["HX-Reswap"] = "beforeend"
    if code == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    return response


def occupied(error: Occupied) -> Response:
    answer = page(status_of(error), error.message, title=OCCUPIED)
    answer.headers["Retry-After"] = RETRY_AFTER
    return answer


def status_of(error: Occupied) -> int:
    return 429 if error.is_own else 503


def refused(_error: NotAllowed) -> Response:
    """403, recorded in the history unless the person was led there."""
    if start := instead_of(403):
        return start
    try:
        if current_user.is_authenticated and not is_read_only():
            record(REFUSED, details={"path": f"{request.method} {request.path[:LONGEST_PATH]}"})
    except UNAVAILABLE as error:
        return unavailable(error)
    return page(403, ASK_HIGHER if getattr(current_user, "role", None) is Role.ADMIN else None)


def viewing(error: ReadOnly) -> Response:
    return page(403, error.message, title=f"You’re viewing as {current_user.name}")


def rate_limited(error: RateLimited) -> Response:
    answer = page(429)
    answer.headers["Retry-After"] = str(error.seconds)
    return answer


def http_error(error: HTTPException) -> Response:
    if isinstance(error, InternalServerError):
        return page(500)
    code = error.code or 500
    if 300 <= code < 400:
        return error.get_response()  # type: ignore[return-value]
    answer = page(code)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            answer.headers[name] = value
    return answer


def database_error(error: DBAPIError) -> Response:
    if error.connection_invalidated:
        return unavailable(error)
    if isinstance(error.orig, ReadOnlySqlTransaction) and is_read_only():
        return viewing(ReadOnly(NOTHING_CHANGES))
    log.exception("request %s failed", g.get("request_id"), exc_info=error)
    return page(500)


def unavailable(error: Exception) -> Response:
    cause = getattr(error, "orig", None)
    words = cause if isinstance(cause, UnsuitableDatabase) else type(error).__name__
    log.warning("request %s: unavailable: %s", g.get("request_id"), words)
    return page(503)
