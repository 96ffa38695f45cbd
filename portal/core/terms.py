"""Parse search terms."""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import ColumnExpressionArgument, and_, func, true

from portal.core.email_addresses import pasted_email

WORDS = 8
LONGEST = 200


def words_of(text: str) -> list[str]:
    """Split a search term into words, all of which must match. A pasted mailbox is reduced to its address."""
    return unicodedata.normalize("NFC", pasted_email(text)[:LONGEST]).split()[:WORDS]


def patterns_of(text: str) -> list[Any]:
    """The LIKE pattern of each word; PostgreSQL folds case and accents, and % and _ are literal."""
    return [func.portal_search_pattern(word) for word in words_of(text)]


def matches(column: Any, text: str) -> list[ColumnExpressionArgument[bool]]:
    """Conditions for a search term: every word must match."""
    return [column.like(pattern) for pattern in patterns_of(text)]


def is_called(sort_key: Any, name: str) -> ColumnExpressionArgument[bool]:
    """Whether a row with this sort key has this name, ignoring case and accents."""
    key = func.split_part(func.portal_sort_key(name), "\x01", 1)
    return and_(key <= sort_key, func.concat(key, "\x02") > sort_key)


def begins_with(column: Any, text: str) -> ColumnExpressionArgument[bool]:
    """Whether every word of the term matches the beginning of a word."""
    patterns = patterns_of(text)
    return and_(true(), *(column.like(func.concat("% ", func.ltrim(pattern, "% "))) for pattern in patterns))
