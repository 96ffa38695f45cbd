"""Encrypt the secrets of authenticator apps, with keys derived from SECRET_KEY."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from portal.web.given import current_settings

PURPOSE = b"secrets of authenticator apps"


def encrypted(text: str) -> str:
    return _cipher().encrypt(text.encode()).decode("ascii")


def decrypted(token: str, *, seconds: int | None = None) -> str | None:
    """The text. None if no key matches, or if it was encrypted more than `seconds` ago."""
    try:
        return _cipher().decrypt(token.encode(), ttl=seconds).decode()
    except (InvalidToken, UnicodeError):
        return None


def _cipher() -> MultiFernet:
    """A cipher that encrypts with the current key, and also decrypts with the fallback keys."""
    settings = current_settings()
    return MultiFernet([_key(one) for one in (settings.secret_key, *settings.secret_key_fallbacks)])


def _key(secret_key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hmac.digest(secret_key.encode(), PURPOSE, hashlib.sha256)))
