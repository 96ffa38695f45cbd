"""Invisible characters are removed from text."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from portal.core.text import tidy, visible

UNSEEN = [
    "\u00ad", "\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u180e", "\u200b", "\u200e", "\u200f", "\u202a",
    "\u202e", "\u2060", "\u2063", "\u2066", "\u2069", "\u206f", "\u2800", "\u3164", "\ufeff", "\uffa0", "\ufff9",
    "\ufffb", "\ufffc", "\U0001d173", "\U000e0001", "\U000e0041", "\U000e007f", "\ufe0f", "\ufe00", "\U000e0100",
    "\u180b",
]  # fmt: skip


@pytest.mark.parametrize("unseen", UNSEEN, ids=lambda one: f"U+{ord(one):04X}")
def test_invisible_and_bidirectional_characters_are_stripped(unseen: str) -> None:
    assert visible(f"{unseen}An{unseen}ne{unseen}") == "Anne"
    assert visible(unseen * 3) == ""


@pytest.mark.parametrize("text", ["\U00013430", "\U00016fe4\U00013430", "\u0300", "\u070f", "\ue000", "\u0378"])
def test_text_that_shows_nothing_is_empty(text: str) -> None:
    assert tidy(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "نامه\u200cای",  # Persian: without the joiner another word
        "Auf\u200clage",
        "ශ්\u200dරී",  # Sinhala
        "ന്\u200d",  # Malayalam, at the end of a word
        "❤\ufe0f\u200d🔥", "👩🏽\u200d💻", "👨\u200d👩\u200d👧\u200d👦", "1\ufe0f\u20e3",
        "☎\ufe0e", "ℹ\ufe0f", "🏳\ufe0f\u200d🌈", "🧔🏻\u200d♂\ufe0f",
        "葛\U000e0100城",  # the city's own spelling
        "ᠮᠤᠩᠭ\u180eᠠ", "Łódź", "O’Brien", "José", "אבגד", "김철수", "\u0600",
    ],
)  # fmt: skip
def test_characters_that_change_a_word_or_an_emoji_are_kept(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
def test_joiners_at_edges_or_alone_are_stripped(joiner: str) -> None:
    assert visible(f"{joiner}Anne{joiner} {joiner}Berg{joiner}") == "Anne Berg"
    assert visible(joiner * 5) == visible(f"1{joiner}2").strip("12") == ""
    assert visible(f"a{joiner * 9}b") == f"a{joiner}b"


def test_every_format_character_of_unicode_is_stripped_or_visible() -> None:
    drawn = {code for first, last in DRAWN for code in range(first, last + 1)}
    formats = [code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]

    kept = {code for code in formats if visible(f"1{chr(code)}1") != "11"}

    assert kept <= drawn


# Signs that are drawn around numbers, and joiners of Egyptian and shorthand signs.
DRAWN = [(0x600, 0x605), (0x6DD, 0x6DD), (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x110BD, 0x110CD),
         (0x13430, 0x1343F)]  # fmt: skip


def test_stripping_is_idempotent() -> None:
    for one in ("a\u200d\u200b\u200db", "\u200d\ufe0f\u200d", "❤\ufe0f\u200d🔥\u200d", "1\ufe0f\u20e3\ufe0f"):
        assert visible(visible(one)) == visible(one)
