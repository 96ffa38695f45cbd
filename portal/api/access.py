"""Access tokens: JWTs with a fixed header and claims (RFC 8725), also checked against the database."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt

from portal.auth import queries
from portal.auth.commands import USE_RECORDED_EVERY, person_of
from portal.core.clock import now
from portal.core.db import first_as_system
from portal.tokens import personal
from portal.tokens.models import digest
from portal.tokens.rotation import ClientSession
from portal.web.given import current_settings
from portal.web.session import SignedIn

ALGORITHM = "HS256"
HEADER = {"alg": ALGORITHM, "typ": "at+jwt"}
AUDIENCE = "portal-api"
REQUIRED = ("iss", "aud", "sub", "sid", "iat", "exp", "jti")


def issued(session: ClientSession) -> tuple[str, int]:
    """Issue an access token for the session, without role and tenant. Returns its lifetime in seconds, too."""
    at, seconds = now(), _lifetime()
    claims = {
        "iss": _issuer(),
        "aud": AUDIENCE,
        "sub": str(session.user_id),
        "sid": str(session.id),
        "iat": at,
        "exp": at + timedelta(seconds=seconds),
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, _key(current_settings().secret_key), ALGORITHM, headers={"typ": HEADER["typ"]}), seconds


def person(token: str) -> SignedIn | None:
    """The person of a token, with current values from the database. None unless they can sign in."""
    if token.startswith(personal.PREFIX):
        return _of_api_token(token)
    session = read(token)
    row = first_as_system(queries.by_session(), session_id=session.id, user_id=session.user_id) if session else None
    return person_of(row, token) if row else None


def _of_api_token(token: str) -> SignedIn | None:
    row = first_as_system(queries.by_api_token(), token=digest(token))
    if row is None:
        return None
    if row.used_at is None or now() - row.used_at > USE_RECORDED_EVERY:
        personal.record_use(row.session_id)
    return replace(person_of(row, token), scopes=frozenset(row.scopes))


def read(token: str) -> ClientSession | None:
    """The session for which a token was issued. None if the token is invalid."""
    for secret in (current_settings().secret_key, *current_settings().secret_key_fallbacks):
        try:
            found = _decoded(token, _key(secret))
            return ClientSession(uuid.UUID(found["sid"]), uuid.UUID(found["sub"]))
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            continue
    return None


def _decoded(token: str, key: bytes) -> dict[str, Any]:
    """Decode a token. The header must match as a whole, so that it can't select another key or algorithm."""
    if jwt.get_unverified_header(token) != HEADER:
        raise jwt.InvalidTokenError
    options: Any = {"require": list(REQUIRED), "strict_aud": True}
    found: dict[str, Any] = jwt.decode(token, key, [ALGORITHM], audience=AUDIENCE, issuer=_issuer(), options=options)
    return _timed(found)


def _timed(claims: dict[str, Any]) -> dict[str, Any]:
    """Reject times that aren't integers, which the library accepts, and lifetimes that are too long."""
    times = [claims[name] for name in ("iat", "exp", "nbf") if name in claims]
    if not all(type(one) is int for one in times):
        raise jwt.InvalidTokenError
    if not 0 < claims["exp"] - claims["iat"] <= _lifetime():
        raise jwt.InvalidTokenError
    return claims


def _lifetime() -> int:
    return int(current_settings().access_minutes * 60)


def _key(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"access token", hashlib.sha256)


def _issuer() -> str:
    return current_settings().public_url or "portal"
