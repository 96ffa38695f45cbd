"""Refuse requests with NUL or invalid UTF-8 before anything reads them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from flask import Flask, Response, current_app, request
from flask_login import current_user
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge

from portal.core.policy import Permission, allows
from portal.web.guards import rule_of

UNREAD_BYTES = 2_000_000  # of a refused body; proxies set up as documented allow no more
REPLACED = "\ufffd"  # what invalid UTF-8 is decoded to


def init_app(app: Flask) -> None:
    app.before_request(refuse_nonsense)
    app.after_request(read_to_the_end)


def read_to_the_end(answer: Response) -> Response:
    """Read the rest of a refused body: closing with unread bytes would reset the connection and lose the response."""
    if answer.status_code >= 400 and request.environ.get("wsgi.input_terminated"):
        left = UNREAD_BYTES
        try:
            while left > 0 and (read := len(request.environ["wsgi.input"].read(min(left, 65_536)))):
                left -= read
        except Exception:  # noqa: BLE001 -- the server's own error for malformed chunks: nothing more can be read
            return answer
    return answer


def refuse_nonsense() -> None:
    """400 for NUL or invalid UTF-8 in path, query, cookies or form; 413 for a form that is too large."""
    _check_bytes(request.environ.get("PATH_INFO", "").encode("latin-1", "replace"))
    _check_bytes(unquote_to_bytes(request.query_string))
    _check_body()
    for text in _texts():
        if text is None or "\x00" in text or REPLACED in text:  # parts of multipart forms can lack a name
            raise BadRequest("The URL or the form contains invalid characters.")


def _check_bytes(raw: bytes) -> None:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("This address contains invalid characters.") from None
    if "\x00" in text:
        raise BadRequest("This address contains invalid characters.")


def _check_body() -> None:
    """Limit the body as Flask limits multipart forms. Views that take files take more from people who may use them."""
    view = current_app.view_functions.get(request.endpoint or "")
    if view and (longest := getattr(view, "longest_body", None)) and current_user.is_authenticated:
        rule = rule_of(view)
        if isinstance(rule, Permission) and allows(current_user.actor, rule):
            request.max_content_length = longest
    try:
        _ = request.form
    except HTTPException:
        raise
    except Exception as error:  # the server's own error for malformed chunks
        raise BadRequest from error
    most, longest = current_app.config["MAX_FORM_PARTS"], current_app.config["MAX_FORM_MEMORY_SIZE"]
    values = [value for _, value in request.form.items(multi=True)]
    if len(values) > most or any(len(value) > longest for value in values):
        raise RequestEntityTooLarge


def _texts() -> Iterator[str | None]:
    for name, value in request.form.items(multi=True):
        yield name
        yield value
    for name, value in request.cookies.items(multi=True):
        yield name
        yield value
    for name, upload in request.files.items(multi=True):
        yield name
        yield upload.filename or ""
