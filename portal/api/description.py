"""The OpenAPI 3.1 document of the API, built from a few shared parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal.api import limits
from portal.core.actor import Role
from portal.web.guards import PROFILE

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
KEY: Schema = {"type": "string", "format": "uuid"}
REPEATED = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A random value chosen by the client. A request that is repeated within 24 hours with the same key"
    " and body is processed once and gets the same response. Keep the key secret: with key and body, anyone can get the"
    " response.",
    "schema": {"type": "string", "minLength": 1, "maxLength": limits.LONGEST_KEY, "pattern": limits.KEY.pattern},
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
PROBLEMS = {
    400: "The request is invalid.",
    401: "The access token is missing, expired or revoked.",
    403: "The role or token doesn't allow this, or a new password or two-factor authentication is required first.",
    409: "A request with this Idempotency-Key is still being processed.",
    413: f"The body has more than {limits.MOST_BYTES:,} bytes.",
    415: "The body is not JSON.",
    422: "A member is missing or invalid, or the Idempotency-Key was sent with another body.",
    429: "Too many attempts. Wait for the number of seconds in Retry-After.",
    500: "An unexpected error occurred.",
    503: "The portal is overloaded, or the database is unavailable. Wait for the number of seconds in Retry-After.",
}
ALWAYS = (400, 429, 500, 503)
BODY = (409, 413, 415, 422)
CODES = {
    "invalid_credentials": "Email and password don't match.",
    "two_factor_required": "Email and password match; a two-factor code is required, as `otp`.",
    "two_factor_invalid": "Email and password match; the two-factor code is wrong or was already used.",
    "invalid_grant": "The refresh token is invalid, or its session has ended: sign in again.",
    "just_used": "The refresh token was just used: use the response to that request.",
    "key_reused": "The Idempotency-Key was sent with another body.",
    "in_flight": "The first request with the Idempotency-Key is still being processed.",
    "insufficient_scope": "The API token doesn't have the scope for this.",
}


def document(server: str, permissions: Sequence[str]) -> Schema:
    """The OpenAPI document for the API at this URL, with the names of all permissions."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Portal",
            "version": "1",
            "description": "Sign in with email and password, then refresh. Each refresh token works once; using it"
            " again ends the session. People create API tokens (`portal_pat_...`) in their account.",
        },
        "servers": [{"url": server}],
        "paths": {
            "/auth/login": {"post": _login()},
            "/auth/refresh": {"post": _refresh()},
            "/auth/logout": {"post": _logout()},
            "/auth/me": {"get": _me()},
            "/openapi.json": {"get": _openapi()},
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Tokens": _tokens(), "Person": _person(permissions), "Problem": _problem()},
        },
    }


def _login() -> Schema:
    body = _body(limits.LOGIN, limits.OPTIONAL)
    body["properties"]["otp"]["description"] = "A one-time or recovery code, if two-factor authentication is set up."
    answers = {"200": _json("New tokens.", "Tokens")}
    wrong = {401: "Email and password don't match, or the two-factor code is missing or wrong: see `code`."}
    return _operation("login", "Sign in", answers, BODY, body, wrong)


def _refresh() -> Schema:
    answers = {"200": _json("New tokens; the refresh token that was sent no longer works.", "Tokens")}
    wrong = {
        400: "The request or the refresh token is invalid, or the session has ended: see `code`.",
        409: f"The refresh token was just used. Or: {PROBLEMS[409]}",
    }
    return _operation("refresh", "Refresh tokens", answers, BODY, _body(limits.TOKEN), wrong)


def _logout() -> Schema:
    answers = {"204": {"description": "Signed out, or there was no session."}}
    return _operation("logout", "Sign out", answers, BODY, _body(limits.TOKEN))


def _me() -> Schema:
    answers = {"200": _json("The person, with current values.", "Person")}
    return {**_operation("me", "Read the profile", answers, (401, 403)), "security": [{"bearer": []}]}


def _openapi() -> Schema:
    answers = {"200": {"description": "OpenAPI.", "content": {"application/json": {"schema": {"type": "object"}}}}}
    return _operation("openapi", "This document", answers, ())


def _operation(
    name: str,
    summary: str,
    answers: Schema,
    wrong: Sequence[int],
    body: Schema | None = None,
    own: Mapping[int, str] | None = None,
) -> Schema:
    """`wrong` are error statuses with their usual description, `own` those with a specific one."""
    meanings = {**{code: PROBLEMS[code] for code in (*wrong, *ALWAYS)}, **(own or {})}
    problems = {str(code): _wrong(code, meanings[code]) for code in sorted(meanings)}
    operation: Schema = {"operationId": name, "summary": summary, "responses": {**answers, **problems}}
    if body is not None:
        operation["requestBody"] = {
            "description": f"At most {limits.MOST_BYTES:,} bytes of UTF-8, without duplicate members.",
            "required": True,
            "content": {"application/json": {"schema": body}},
        }
        operation["parameters"] = [REPEATED]
    return operation


def _json(description: str, schema: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _reference(schema)}}}


def _wrong(code: int, meaning: str) -> Schema:
    content = {"application/problem+json": {"schema": _reference("Problem")}}
    return {"description": meaning, "content": content, **({"headers": RETRY_AFTER} if code in (429, 503) else {})}


def _reference(schema: str) -> Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


def _body(longest: Mapping[str, int], optional: Sequence[str] = ()) -> Schema:
    """An object of strings, with the limits that are enforced."""
    bounded = {
        name: {**TEXT, "minLength": 1, "maxLength": most, "pattern": limits.TEXT.pattern}
        for name, most in longest.items()
    }
    return {**_object(**bounded), "required": [name for name in longest if name not in optional]}


def _tokens() -> Schema:
    return _object(
        access_token=TEXT,
        token_type={"const": "Bearer"},
        expires_in={"type": "integer", "minimum": 1, "description": "Lifetime of access_token in seconds."},
        refresh_token=TEXT,
    )


def _person(held: Sequence[str]) -> Schema:
    organization = _object(id=KEY, name=TEXT)
    return _object(
        id=KEY,
        email=TEXT,
        name=TEXT,
        role={"enum": [one.name for one in Role]},
        organization={"oneOf": [organization, {"type": "null"}]},
        permissions={**_list(held), "description": "All permissions of the role, regardless of the token's scopes."},
        scopes={
            "oneOf": [_list([PROFILE, *held]), {"type": "null"}],
            "description": "The scopes of an API token, limited to the role's permissions; `profile` allows it to read"
            " this. Null for an access token, which has all permissions of the role.",
        },
    )


def _list(words: Sequence[str]) -> Schema:
    return {"type": "array", "items": {"enum": list(words)}}


def _problem() -> Schema:
    """RFC 9457, with additional members."""
    error = _object(pointer=TEXT, detail=TEXT)
    problem: Schema = _object(type=TEXT, title=TEXT, status={"type": "integer"}, detail=TEXT, request_id=TEXT)
    problem["properties"] |= {
        "code": {
            "enum": list(CODES),
            "description": "Distinguishes problems with the same status.\n"
            + "".join(f"\n- `{code}`: {meaning}" for code, meaning in CODES.items()),
        },
        "errors": {"type": "array", "items": error},
    }
    return problem


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
