"""What does a program get to read when something goes wrong? Problem details after RFC 9457, never HTML."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, g, jsonify, request

ROOT = "/api/"
RETRY_AFTER = "5"
SCHEME = 'Bearer realm="portal"'
WORDS = {
    400: "The request can't be read.",
    401: "Bring an access token that is valid, as `Authorization: Bearer`.",
    403: "Your role doesn't include this.",
    404: "There is nothing at this address, or not for you.",
    405: "This address doesn't answer to that method.",
    409: "Something changed meanwhile.",
    413: "The body is larger than is taken here.",
    415: "Send JSON, as `Content-Type: application/json`.",
    422: "Some fields are not as they should be.",
    429: "Too many tries. Come back after the seconds in Retry-After.",
    500: "The portal made a mistake. Nothing was half saved.",
    503: "The database can't be reached or is very busy. Nothing was half saved.",
}


def is_api() -> bool:
    """Whether a program asks, which authenticates by what it brings in a header and reads JSON."""
    return request.path.startswith(ROOT) or request.path == ROOT.rstrip("/")


def problem(status: int, detail: str | None = None, *, code: str | None = None, **members: Any) -> Response:
    """An answer about an error. `code` is for programs to tell problems of one status apart."""
    told = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or WORDS.get(status, WORDS[400 if status < 500 else 500]),
        "request_id": g.get("request_id", ""),
    }
    response = jsonify({**told, **({"code": code} if code else {}), **members})
    response.status_code, response.mimetype = status, "application/problem+json"
    if status == 401:
        invalid = ', error="invalid_token"' if "Authorization" in request.headers else ""
        response.headers["WWW-Authenticate"] = SCHEME + invalid
    if code == "insufficient_scope":
        response.headers["WWW-Authenticate"] = f'{SCHEME}, error="insufficient_scope"'
    if status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    return response
