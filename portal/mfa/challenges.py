"""Passkey challenges. Each is valid for one purpose and one response."""

from __future__ import annotations

import secrets
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import request
from flask import session as cookie

from portal.core import rate_limit
from portal.core.actor import SYSTEM
from portal.core.clock import now
from portal.core.db import acting_as
from portal.core.errors import RateLimited
from portal.mfa.passkeys import Answer, Site, decoded, encoded
from portal.web.attempts import once
from portal.web.given import current_settings

BYTES = 32
SECONDS = 300
COOKIE_KEY = "asked"


def site() -> Site | None:
    """This portal as a relying party for passkeys. None if the request used another host name or an IP address."""
    settings = current_settings()
    parts = urlsplit(settings.public_url or request.host_url)
    host = parts.hostname or ""
    with suppress(ValueError):
        ip_address(host)
        return None
    if host != urlsplit(request.host_url).hostname:
        return None
    return Site(host, f"{parts.scheme}://{parts.netloc}")


def better_address() -> str:
    """The URL at which passkeys work, for people who use another host name."""
    settings = current_settings()
    if settings.public_url and settings.public_url != request.root_url.rstrip("/"):
        return settings.public_url
    port = urlsplit(request.host_url).port
    return f"http://localhost{f':{port}' if port else ''}"


def asked(purpose: str) -> bytes:
    """The browser's challenge for a purpose. It stays the same while valid, so that two tabs both work."""
    kept = cookie.get(COOKIE_KEY, {})
    challenge, at = kept.get(purpose, ("", 0))
    if not SECONDS / 2 > now().timestamp() - at >= 0:
        challenge, at = encoded(secrets.token_bytes(BYTES)), int(now().timestamp())
        cookie[COOKIE_KEY] = {**kept, purpose: (challenge, at)}
    return decoded(challenge)


def answered(purpose: str, credential: str) -> Answer | None:
    """The browser's response with its challenge, which is then used up. None if there was no challenge."""
    kept = dict(cookie.get(COOKIE_KEY, {}))
    challenge, at = kept.pop(purpose, ("", 0))
    cookie[COOKIE_KEY] = kept
    here = site()
    if here is None or not challenge or not SECONDS > now().timestamp() - at >= 0:
        return None
    try:
        with acting_as(SYSTEM):
            rate_limit.attempt(
                once("challenge", challenge, seconds=2 * SECONDS)
            )  # a copy of the cookie still contains it
    except RateLimited:
        return None
    return Answer(credential, decoded(challenge), here)
