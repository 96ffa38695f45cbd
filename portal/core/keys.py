"""Create primary keys, and read them."""

from __future__ import annotations

import secrets
import time
import uuid
from random import Random


def uuid7(milliseconds: int | None = None, random: Random | None = None) -> uuid.UUID:
    """A time-ordered UUID, version 7 (RFC 9562, section 5.7). Keys made in Python let the ORM insert in bulk.

    Pass `milliseconds` since 1970 and `random` for reproducible keys; by default, the current time and random bits.
    """
    at = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    noise = secrets.randbits(74) if random is None else random.getrandbits(74)
    high, low = noise >> 62, noise & ((1 << 62) - 1)
    return uuid.UUID(int=(at & ((1 << 48) - 1)) << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


NO_KEY = uuid.UUID(int=0)  # of no row


def read_key(text: str | None) -> uuid.UUID | None:
    """A key as text; None for anything else."""
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None
