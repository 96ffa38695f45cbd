"""Find the statement inside an EXPLAIN, because EXPLAIN ANALYZE executes any statement.

A recognized EXPLAIN is rebuilt from known words and its statement, and PostgreSQL checks that this is a single query.
Everything else is refused, so that a mistake here allows nothing.
"""

from __future__ import annotations

import re

PLAN = "QUERY PLAN"  # PostgreSQL's name for the only column of a plan
WORDS = "analyze|analyse|verbose|costs|settings|generic_plan|buffers|serialize|wal|timing|summary|memory|format"
BLANK = re.compile(r"(?:[ \t\r\n\f\v]|--[^\r\n]*)*")
COMMENT = re.compile(r"/\*|\*/")
EXPLAIN = re.compile(r"explain(?![\w$])", re.IGNORECASE)
QUERY = re.compile(r"(?:select|values|table|with|show)(?![\w$])|\(", re.IGNORECASE)
OPTION = re.compile(rf'"?(?:{WORDS})(?![\w$])"?', re.IGNORECASE)
OPTIONS = re.compile(r"""[\w.]+|'[\w.]*'|"[\w.]*"|,""")
BARE = (re.compile(r"analy[sz]e(?![\w$])", re.IGNORECASE), re.compile(r"verbose(?![\w$])", re.IGNORECASE))


def explained(statement: str) -> tuple[str, str]:
    """Split an EXPLAIN into a rebuilt prefix and its statement. The prefix is empty for other statements."""
    begin = _after_empty(statement)
    start = EXPLAIN.match(statement, begin)
    if start is None:
        return "", statement[begin:]
    words, place = ["EXPLAIN"], _after_blank(statement, start.end())
    if found := _options(statement, place):
        options, place = found
        words.append(options)
    else:
        for pattern in BARE:
            if word := pattern.match(statement, place):
                words.append(word[0])
                place = _after_blank(statement, word.end())
    return " ".join(words) + " ", statement[place:]


def is_query(statement: str) -> bool:
    """Whether it begins like a query. Other statements can also return rows, such as EXECUTE."""
    return QUERY.match(statement, _after_empty(statement)) is not None


def _options(statement: str, place: int) -> tuple[str, int] | None:
    """The options in parentheses, without comments, and the position of the statement; None if these aren't options."""
    if not statement.startswith("(", place):
        return None
    place, words = _after_blank(statement, place + 1), []
    if OPTION.match(statement, place) is None:
        return None
    while word := OPTIONS.match(statement, place):
        words.append(word[0])
        place = _after_blank(statement, word.end())
    if not statement.startswith(")", place):
        return None
    return f"({' '.join(words)})", _after_blank(statement, place + 1)


def _after_empty(statement: str) -> int:
    """The position of the first statement, after comments and empty statements."""
    place = _after_blank(statement, 0)
    while statement.startswith(";", place):
        place = _after_blank(statement, place + 1)
    return place


def _after_blank(statement: str, place: int) -> int:
    """The end of spaces and comments, which can be nested; PostgreSQL reports unterminated ones."""
    while True:
        found = BLANK.match(statement, place)
        place = found.end() if found else place
        if not statement.startswith("/*", place):
            return place
        depth = 0
        for mark in COMMENT.finditer(statement, place):
            depth += 1 if mark[0] == "/*" else -1
            if not depth:
                place = mark.end()
                break
        else:
            return place
