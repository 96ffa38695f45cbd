"""Estimate the strength of a password while it is typed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from portal.core.counts import number_of
from portal.users.passwords import prepared, problem_of, zxcvbn

RATED = 32  # characters, because the time grows faster than the length
SIGNS = frozenset("4@8({[<3690!1|7$5+%2")  # zxcvbn tries them as letters, in every combination
MOST_SIGNS = 6
WORDS = ("Very weak", "Weak", "Fair", "Good", "Strong")


@dataclass(frozen=True)
class Strength:
    """A score from 0 to 4 with its label and advice, or the reason why the password is not accepted."""

    score: int
    label: str
    advice: str = ""
    is_refused: bool = False


def strength_of(password: str, minimum: int, words: Collection[str] = ()) -> Strength:
    """The strength of a password, or the reason why it is not accepted."""
    problem = problem_of(password, minimum, words)
    password = prepared(password)
    if problem and len(password) < minimum:
        missing = minimum - len(password)
        return Strength(0, "Too short", f"{number_of(missing, 'more character')}.", is_refused=True)
    if problem:
        return Strength(0, "Not accepted", problem, is_refused=True)
    found = zxcvbn().zxcvbn(_rated(password))
    feedback = found["feedback"]
    return Strength(
        found["score"], WORDS[found["score"]], " ".join(filter(None, (feedback["warning"], *feedback["suggestions"])))
    )


def _rated(password: str) -> str:
    """The beginning of the password. If it contains many different SIGNS, all but the first few are replaced."""
    start = password[:RATED]
    kept = sorted(SIGNS.intersection(start), key=start.index)[:MOST_SIGNS]
    return "".join("~" if sign in SIGNS and sign not in kept else sign for sign in start)
