"""One-time codes of authenticator apps, and recovery codes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import unicodedata

import pyotp
import segno

from portal.core.clock import now
from portal.core.text import narrow, visible
from portal.web.brand import product

SECONDS = 30
DRIFT = 1  # time steps that a clock may be ahead or behind
DIGITS = 6
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without characters that look alike
GROUPS, LETTERS = 4, 4  # 80 bits
RECOVERY_CODES = 10
SPACES_AND_DASHES = ("Zs", "Zl", "Zp", "Cc", "Pd")  # tabs and line breaks too


def new_secret() -> str:
    """A random secret of 160 bits, in base32."""
    return pyotp.random_base32()


def step_of(secret: str, typed: str, *, after: int = 0) -> int | None:
    """The time step of the entered code, if it is current and later than `after`; else None."""
    plain = _plain(typed)
    if len(plain) != DIGITS or not (plain.isascii() and plain.isdigit()):
        return None
    here, app = int(now().timestamp()) // SECONDS, pyotp.TOTP(secret)
    steps = range(max(here - DRIFT, after + 1), here + DRIFT + 1)
    return next((step for step in steps if hmac.compare_digest(app.generate_otp(step), plain)), None)


def qr_code(secret: str, email: str) -> str:
    """A QR code that sets up the app, as the data URI of an SVG."""
    uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=product())
    return str(segno.make_qr(uri, error="m").svg_data_uri(scale=4, border=4, light="#fff", omitsize=True))


def in_groups(secret: str) -> str:
    """A secret in groups of four characters, for typing."""
    return " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))


def new_recovery_codes() -> list[str]:
    return ["-".join(_letters() for _ in range(GROUPS)) for _ in range(RECOVERY_CODES)]


def digest(typed: str) -> str:
    """SHA-256 of a recovery code, however it was typed. With 80 random bits it can't be guessed from the digest."""
    plain = "".join(letter for letter in _plain(typed).lower() if letter in ALPHABET)
    return hashlib.sha256(plain.encode("ascii")).hexdigest()


def _plain(typed: str) -> str:
    """Convert a code to ASCII: digits of any script, full-width characters; spaces and dashes are removed."""
    kept = (one for one in narrow(visible(typed)) if unicodedata.category(one) not in SPACES_AND_DASHES)
    return "".join(str(unicodedata.decimal(one, one)) for one in kept)


def _letters() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))
