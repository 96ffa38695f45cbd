"""Secrets can be decrypted with the current and former keys only."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask

from portal.mfa.ciphers import decrypted, encrypted
from portal.web.given import current_settings


def test_re13_a_secret_can_be_decrypted_while_its_key_is_a_fallback(app: Flask) -> None:
    settings = current_settings.of(app)
    with app.app_context():
        try:
            token = encrypted("a secret")
            current_settings.set(
                app, replace(settings, secret_key="new" * 20, secret_key_fallbacks=(settings.secret_key,))
            )
            during = decrypted(token)
            current_settings.set(app, replace(settings, secret_key="new" * 20))
            after = decrypted(token)
        finally:
            current_settings.set(app, settings)

    assert "secret" not in token
    assert (during, after) == ("a secret", None)


def test_invalid_or_expired_ciphertext_decrypts_to_nothing(app: Flask) -> None:
    with app.app_context():
        assert [decrypted(text) for text in ("", "x", "é" * 10_000, encrypted("a")[:-2])] == [None] * 4
        assert decrypted(encrypted("a"), seconds=-1) is None
