"""How is a search term read?"""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import ColumnExpressionArgument, func

WORDS = 8
LONGEST = 200


def words_of(text: str) -> list[str]:
    """A search term as its words, each of which must be found."""
    return unicodedata.normalize("NFC", text[:LONGEST]).split()[:WORDS]


def patterns_of(text: str) -> list[Any]:
    """What each word is looked up by; PostgreSQL folds case and accents and takes % and _ literally."""
    return [func.portal_search_pattern(word) for word in words_of(text)]


def matches(column: Any, text: str) -> list[ColumnExpressionArgument[bool]]:
    """Conditions for a search term: every word is found."""
    return [column.like(pattern) for pattern in patterns_of(text)]
