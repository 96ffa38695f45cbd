"""The strength that is shown while a password is typed."""

from __future__ import annotations

import random
import time

import pytest

from portal.users.strength import WORDS, strength_of


def test_a_password_gets_stronger_with_each_word() -> None:
    scores = [strength_of(password, 8).score for password in ("dolphins", "grey dolphin", "grey dolphin under lamps")]

    assert scores == sorted(scores)
    assert scores[-1] == 4


@pytest.mark.parametrize(
    ("password", "word", "advice"),
    [
        ("", "Too short", "15 more characters."),
        ("fourteen signs", "Too short", "1 more character."),
        ("passwordpassword", "Not accepted", "attackers"),
        ("grey dolphin under lamps", "Strong", ""),
        ("monkey1monkey1!", "Weak", "Add another word"),
    ],
)
def test_strength_has_a_label_and_advice(password: str, word: str, advice: str) -> None:
    found = strength_of(password, 15)

    assert (found.label, found.is_refused) == (word, word not in WORDS)
    assert advice in found.advice


def test_personal_details_are_refused_while_typing() -> None:
    assert strength_of("Acme Logistics 24", 15, {"Acme Logistics"}).is_refused
    assert not strength_of("Acme Logistics 24", 15).is_refused


def test_a_hostile_password_is_rated_quickly() -> None:
    draw = random.Random(7)  # noqa: S311 -- no secret
    for signs in ("4@8({[<369&#!1/|0$5+7%2", "({[<1!|", "aeiost01345$@!|", "(<", "0123456789", "\u0301a", "\U0001f600"):
        for _ in range(3):
            typed = "".join(draw.choice(signs) for _ in range(4096))
            started = time.thread_time()
            strength_of(typed, 8)
            assert time.thread_time() - started < 4, typed[:40]
