"""Search terms are split into a limited number of words."""

from __future__ import annotations

from portal.core.terms import LONGEST, WORDS, words_of


def test_a_term_is_limited_in_length_and_number_of_words() -> None:
    assert len(words_of(" ".join("abcdefghijkl"))) == WORDS
    assert sum(map(len, words_of("a" * 100_000))) == LONGEST
    assert words_of("  \t\n ") == []
    assert words_of("e\u0301") == ["\u00e9"]
