"""Find the statement inside an EXPLAIN, because EXPLAIN ANALYZE executes it, whatever it is.

What is recognized here is put together anew from known words and the rest, and PostgreSQL says whether the rest is one
whole query. What is not recognized is refused by its description, so that a mistake here lets nothing through.
"""

from __future__ import annotations

import re

PLAN = "QUERY PLAN"  # PostgreSQL's name for the only column of a plan
WORDS = "analyze|analyse|verbose|costs|settings|generic_plan|buffers|serialize|wal|timing|summary|memory|format"
BLANK = re.compile(r"(?:\s|--[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
EXPLAIN = re.compile(r"explain\b", re.IGNORECASE)
OPTIONS = re.compile(rf"\(\s*(?:{WORDS})\b[\w\s,']*\)", re.IGNORECASE)
BARE = (re.compile(r"analy[sz]e\b", re.IGNORECASE), re.compile(r"verbose\b", re.IGNORECASE))


def explained(statement: str) -> tuple[str, str]:
    """Split an EXPLAIN into a rebuilt prefix and its statement. The prefix is empty for other statements."""
    start = EXPLAIN.match(statement, _after_blank(statement, 0))
    if start is None:
        return "", statement
    words, place = ["EXPLAIN"], _after_blank(statement, start.end())
    for pattern in (OPTIONS,) if OPTIONS.match(statement, place) else BARE:
        if found := pattern.match(statement, place):
            words.append(found[0])
            place = _after_blank(statement, found.end())
    return " ".join(words) + " ", statement[place:]


def _after_blank(statement: str, place: int) -> int:
    found = BLANK.match(statement, place)
    return found.end() if found else place
