"""Words of rows that can be searched, and corrections of misspelled ones."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from difflib import SequenceMatcher
from itertools import product

from sqlalchemy import BigInteger, Identity, Index, Text, func, select, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import command, db
from portal.core.models import Base

PIECE = re.compile(r"[^\W\d_]{3,40}")
PIECES = 4  # words of a text that are corrected
ALIKE = 0.7  # the least similarity, from 0 to 1
CHOICES = 3  # similar words for each
MOST = 5  # texts to try
OF_EVERYBODY = text("organization_id = '00000000-0000-0000-0000-000000000000'")
SIMILAR = text("""
    SELECT piece, btrim(portal_fold_term(piece)) AS folded, word
    FROM unnest(CAST(:pieces AS text[])) piece, portal_similar_words(:place, btrim(portal_fold_term(piece))) word
""")


class SearchWord(Base):
    """A word of a table's rows: once for each tenant that sees one of them, and once for everybody.

    `row_id` is one row that has the word: when it is removed, so is this. "Everybody" is the key of no organization.
    Triggers keep it. Two transactions may add the same word.
    """

    __tablename__ = "search_words"
    __table_args__ = (
        Index("search_words_word_idx", "table_name", "word", "organization_id"),
        Index("search_words_row_id_idx", "row_id"),
        Index(
            "search_words_similar_idx",
            "word",
            postgresql_using="gin",
            postgresql_ops={"word": "gin_trgm_ops"},
            postgresql_where=OF_EVERYBODY,
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    table_name: Mapped[str]
    organization_id: Mapped[uuid.UUID]
    word: Mapped[str] = mapped_column(Text(collation="C"))
    row_id: Mapped[uuid.UUID]


def corrections(table: str, typed: str) -> list[str]:
    """Texts with similar words of rows that the actor's tenant sees, the most similar first. They may find nothing."""
    pieces = list(dict.fromkeys(PIECE.findall(typed)))[:PIECES]
    if not pieces:
        return []
    choices: dict[str, dict[str, float]] = defaultdict(dict)
    for piece, folded, word in db.session.execute(SIMILAR, {"pieces": pieces, "place": table}):
        alike = SequenceMatcher(None, folded, word).ratio()
        if alike >= ALIKE:
            choices[piece][piece if word == folded else word] = alike
    options = [_best(piece, choices[piece]) for piece in pieces]
    ranked = sorted(product(*options), key=lambda chosen: -sum(alike for _, alike in chosen))
    texts = (_replaced(typed, dict(zip(pieces, (word for word, _ in chosen), strict=True))) for chosen in ranked)
    return [one for one in dict.fromkeys(texts) if one != typed][:MOST]


def _best(piece: str, similar: Mapping[str, float]) -> list[tuple[str, float]]:
    """The words that may have been meant. Without any, the piece stays as it is."""
    ranked = sorted(similar.items(), key=lambda one: (-one[1], one[0]))
    return ranked[:CHOICES] or [(piece, 0.0)]


def _replaced(typed: str, words: Mapping[str, str]) -> str:
    return PIECE.sub(lambda found: words.get(found[0], found[0]), typed)


@command
def refresh(_before: datetime) -> int:
    """Add words that went with a removed row although others have them. Returns how many were there twice."""
    db.session.execute(text("SET LOCAL statement_timeout = 0"))  # it reads every row
    return db.session.scalar(select(func.portal_refresh_words())) or 0
