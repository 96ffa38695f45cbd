"""Is a search term read as its words, and never as too many?"""

from __future__ import annotations

from portal.core.terms import LONGEST, WORDS, words_of


def test_a_term_is_cut_to_a_length_and_a_number_of_words_that_can_be_searched() -> None:
    assert len(words_of(" ".join("abcdefghijkl"))) == WORDS
    assert sum(map(len, words_of("a" * 100_000))) == LONGEST
    assert words_of("  \t\n ") == []
    assert words_of("e\u0301") == ["\u00e9"]
