"""How are passwords kept and checked?"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from functools import lru_cache

import bcrypt
from flask import current_app

from portal.config import Settings
from portal.demo import DEMO_PASSWORD

BCRYPT_READS = 72  # bytes; what comes after is not looked at by bcrypt
LONGEST = 4096  # characters taken from a form
SHORTEST_OF_TWO = 8  # characters, where a second factor is asked for too
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that looks like something else


@dataclass(frozen=True)
class Verdict:
    """Whether the password was right, and whether its hash should be made anew."""

    right: bool
    outdated: bool = False


def hash_password(password: str) -> str:
    """bcrypt of the password; above 72 bytes, of the base64 of its SHA-256, so that no byte is ignored."""
    return bcrypt.hashpw(_key(password), bcrypt.gensalt(_cost_wanted())).decode("ascii")


def verify(password: str, stored: str | None) -> Verdict:
    """Check. As much work is done where nothing is stored, so that time tells nobody whether a person exists."""
    right = _check(_key(password), stored or _decoy(_cost_wanted()))
    cut = False
    if len(password.encode()) > BCRYPT_READS:
        cut = _check(password.encode()[:BCRYPT_READS], stored or _decoy(_cost_wanted()))
    if stored is None:
        return Verdict(False)
    return Verdict(right or cut, outdated=not right or _cost(stored) < _cost_wanted())


def random_password() -> str:
    """Four groups of five characters: 100 bits, and readable over a telephone."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(5)) for _ in range(4))


def shortest(*, has_second_factor: bool) -> int:
    """How many characters a new password needs: a second factor makes up for a short one."""
    settings: Settings = current_app.extensions["portal"]
    return min(SHORTEST_OF_TWO, settings.password_minimum) if has_second_factor else settings.password_minimum


def problem_of(password: str, minimum: int) -> str | None:
    """Why a password won't do, in words; None where it will.

    Length alone (NIST SP 800-63B-4, section 3.1.1.2): no rule about kinds of characters.
    """
    if len(password) < minimum:
        return f"Use {minimum} characters or more. A few words in a row are easy to remember."
    if len(password) > LONGEST:
        return f"Use {LONGEST} characters at most."
    if password == DEMO_PASSWORD:
        return "Everybody knows this one: it is the demo's."
    return None


def _cost_wanted() -> int:
    cost: int = current_app.extensions["portal"].bcrypt_rounds
    return cost


def _key(password: str) -> bytes:
    raw = password.encode("utf-8")
    return raw if len(raw) <= BCRYPT_READS else base64.b64encode(hashlib.sha256(raw).digest())


def _check(key: bytes, stored: str) -> bool:
    try:
        return bcrypt.checkpw(key, stored.encode("utf-8"))
    except ValueError:  # not a bcrypt hash
        return False


def _cost(stored: str) -> int:
    part = stored.split("$")[2:3]
    return int(part[0]) if part and part[0].isdigit() else 0


@lru_cache(maxsize=4)
def _decoy(cost: int) -> str:
    return bcrypt.hashpw(secrets.token_bytes(16), bcrypt.gensalt(cost)).decode("ascii")
