"""Estimate the strength of a password while it is typed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from zxcvbn import zxcvbn

from portal.core.counts import number_of
from portal.users.passwords import prepared, problem_of

LOOKED_AT = 32  # characters, because the work grows faster than the length
SIGNS = frozenset("4@8({[<3690!1|7$5+%2")  # which zxcvbn reads as letters too, in every combination
MOST_SIGNS = 6
WORDS = ("Very weak", "Weak", "Fair", "Good", "Strong")


@dataclass(frozen=True)
class Strength:
    """A score from 0 to 4, a word for it, and advice; or why the password is refused."""

    score: int
    word: str
    advice: str = ""
    is_refused: bool = False


def strength_of(password: str, minimum: int, words: Collection[str] = ()) -> Strength:
    """Why a password is refused, or else its strength."""
    problem = problem_of(password, minimum, words)
    password = prepared(password)
    if problem and len(password) < minimum:
        missing = minimum - len(password)
        return Strength(0, "Too short", f"{number_of(missing, 'more character')}.", is_refused=True)
    if problem:
        return Strength(0, "Refused", problem, is_refused=True)
    found = zxcvbn(_looked_at(password))
    told = found["feedback"]
    return Strength(
        found["score"], WORDS[found["score"]], " ".join(filter(None, (told["warning"], *told["suggestions"])))
    )


def _looked_at(password: str) -> str:
    """The beginning of the password. If it has many signs that zxcvbn may read as letters, others are replaced."""
    start = password[:LOOKED_AT]
    kept = sorted(SIGNS.intersection(start), key=start.index)[:MOST_SIGNS]
    return "".join("~" if sign in SIGNS and sign not in kept else sign for sign in start)
