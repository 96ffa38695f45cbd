"""Encode the position in a list for URLs, and decode it from untrusted input."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

LONGEST = 2400


def moment(text: str) -> datetime:
    """A cursor's time. Raises ValueError if it is invalid."""
    value = datetime.fromisoformat(text)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)  # PostgreSQL can't read every offset


def plain(text: str) -> str:
    """A cursor's text. Raises ValueError if PostgreSQL can't store it."""
    if not _is_storable(text):
        raise ValueError(text)
    return text


def number(text: str) -> int:
    """A cursor's number. Raises ValueError if it is invalid or too large."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValueError(text)
    return int(text)


def ranked(text: str) -> str:
    """A cursor's rank and time, in the format of portal_find_users. Raises ValueError if they are invalid."""
    rank, _, at = text.partition(" ")
    if rank not in tuple("1234"):
        raise ValueError(rank)
    return f"{rank} {moment(at).isoformat()}"


def encoded(row: Row[Any]) -> str:
    """A row's position, for a URL: its sort value and its key."""
    text = row.sort_key.isoformat() if isinstance(row.sort_key, datetime) else row.sort_key
    plain = json.dumps([text, str(row.id)], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(plain.encode("utf-8")).decode("ascii").rstrip("=")


def decoded(text: str | None, read_value: Callable[[str], Any]) -> tuple[Any, uuid.UUID] | None:
    """The position, or None if the text is invalid. `read_value` raises ValueError for invalid values."""
    if not text or len(text) > LONGEST:
        return None
    try:
        value, key = json.loads(base64.urlsafe_b64decode(text.encode("ascii") + b"=="))
        place = read_value(value), uuid.UUID(key)
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError, OverflowError):
        return None
    return None if isinstance(place[0], str) and not _is_storable(place[0]) else place


def _is_storable(text: str) -> bool:
    return "\x00" not in text and not any(0xD800 <= ord(c) <= 0xDFFF for c in text)


def one_of(value: str | None, choices: Any, default: str | None = None) -> str:
    """The value if it is one of the choices, else the default, which is the first of them if it isn't given."""
    names = list(choices)
    return value if value is not None and value in names else (default if default is not None else names[0])


def neighbors(
    url_with: Callable[..., str], rows: Sequence[Row[Any]], *, has_previous: bool, has_next: bool
) -> dict[str, str | None]:
    """The URLs of the pages before and after these rows; None if there is no such page."""
    return {
        "first": url_with() if has_previous else None,
        "previous": url_with(before=encoded(rows[0])) if has_previous and rows else None,
        "next": url_with(after=encoded(rows[-1])) if has_next and rows else None,
        "last": url_with(page="last") if has_next else None,
    }
