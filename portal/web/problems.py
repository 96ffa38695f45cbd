"""Error responses for programs: problem details (RFC 9457), never HTML."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, g, jsonify, request

ROOT = "/api/"
RETRY_AFTER = "5"
SCHEME = 'Bearer realm="portal"'
WORDS = {
    400: "The request is invalid.",
    401: "Send a valid access token as `Authorization: Bearer`.",
    403: "Your role doesn't allow this.",
    404: "It doesn't exist, or you don't have access.",
    405: "This URL doesn't accept this method.",
    409: "It was changed in the meantime.",
    413: "The body is too large.",
    415: "Send JSON, as `Content-Type: application/json`.",
    422: "Some fields are invalid.",
    429: "Too many attempts. Wait for the number of seconds in Retry-After.",
    500: "An unexpected error occurred. No change was saved halfway.",
    503: "The database is unavailable or overloaded. No change was saved halfway.",
}


def is_api() -> bool:
    """Whether a program sent the request: it authenticates by a header and reads JSON."""
    return request.path.startswith(ROOT) or request.path == ROOT.rstrip("/")


def problem(status: int, detail: str | None = None, *, code: str | None = None, **members: Any) -> Response:
    """An error response. `code` distinguishes problems with the same status."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or WORDS.get(status, WORDS[400 if status < 500 else 500]),
        "request_id": g.get("request_id", ""),
    }
    response = jsonify({**body, **({"code": code} if code else {}), **members})
    response.status_code, response.mimetype = status, "application/problem+json"
    if status == 401:
        invalid = ', error="invalid_token"' if "Authorization" in request.headers else ""
        response.headers["WWW-Authenticate"] = SCHEME + invalid
    if code == "insufficient_scope":
        response.headers["WWW-Authenticate"] = f'{SCHEME}, error="insufficient_scope"'
    if status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    return response
