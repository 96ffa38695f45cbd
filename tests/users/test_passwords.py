"""Passwords are hashed completely, compared reliably, and never shown."""

from __future__ import annotations

import base64
import hashlib
import logging
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable

import bcrypt
import pytest
from flask import Flask
from sqlalchemy import update

from portal.config import ROOT
from portal.core.db import command, db
from portal.demo import DEMO_PASSWORD
from portal.users import commands, passwords
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting, portal_on
from tests.cast import PASSWORD, Builder, Person, SignIn, page_client
from tests.pages import PageClient

LONG = " ".join(f"{number} bottles on the wall," for number in range(300))
SIGNS = "👍🌵🚲🐈🎈🍋🌊🎻🦉🧭🪁🏔🧩🚀🍄"
HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]+")
ACCEPTED = [
    LONG[:15], LONG[:64], LONG[:200], LONG[: passwords.LONGEST], "correct horse battery staple", "  spaces around it  ",
    "пароль из многих слов", "我家的猫每天早上五点叫我起床吃饭",
    "👩‍👩‍👧‍👦👨‍👨‍👦🐈🌵🚲", "zalgo" + "\u0301\u0302\u0303" * 5, LONG[:71] + "é" + LONG[:20],
]  # fmt: skip


@pytest.mark.parametrize("password", ACCEPTED, ids=range(len(ACCEPTED)))
def test_au1_a_password_of_any_characters_and_length_is_accepted_and_verified(app: Flask, password: str) -> None:
    with app.app_context():
        stored = passwords.hash_password(password)

        assert passwords.problem_of(password, 15) is None
        assert passwords.verify(password, stored) == passwords.Verdict(True)
        assert not passwords.verify(password + "x", stored).correct
        assert not passwords.verify(password[:-1], stored).correct


@pytest.mark.parametrize(("minimum", "too_short", "enough"), [(15, 14, 15), (8, 7, 8)])
def test_au1_a_minimum_and_maximum_length_is_enforced(minimum: int, too_short: int, enough: int) -> None:
    assert "characters or more" in (passwords.problem_of(LONG[:too_short], minimum) or "")
    assert passwords.problem_of(LONG[:enough], minimum) is None
    assert passwords.problem_of(SIGNS[:enough], minimum) is None
    assert "at most" in (passwords.problem_of(LONG[: passwords.LONGEST + 1], minimum) or "")


@pytest.mark.parametrize("length", [70, 71, 72, 73, 80, 300])
def test_au2_passwords_that_differ_only_after_byte_72_are_different(app: Flask, length: int) -> None:
    with app.app_context():
        one, other = "x" * length + "1", "x" * length + "2"

        assert passwords.verify(one, passwords.hash_password(one)).correct
        assert not passwords.verify(other, passwords.hash_password(one)).correct


def test_au2_a_nul_byte_in_the_digest_does_not_truncate_the_password(app: Flask) -> None:
    """The digest is encoded as base64, because raw bytes can contain a NUL, where bcrypt would stop."""
    with app.app_context():
        for number in range(30):
            password = f"{number} " + "x" * 90
            assert not passwords.verify(f"{number + 1} " + "x" * 90, passwords.hash_password(password)).correct


@pytest.mark.parametrize("password", ["x" * 80, "x" * 10_000, "é" * 5_000, "\U0001f600" * 2_500, ""])
def test_au2_an_overlong_password_at_sign_in_is_just_wrong(client: PageClient, uma: Person, password: str) -> None:
    response = client.send("/login", {"email": uma.email, "password": password})

    assert response.status_code == 422


def test_au2_all_characters_of_a_long_password_matter(
    app: Flask, client: PageClient, sign_in: SignIn, build: Builder
) -> None:
    long = "x" * 80
    with app.app_context():
        stored = passwords.hash_password(long)
    person = build.person("long@example.com", password=stored)

    assert client.send("/login", {"email": person.email, "password": long[:-1] + "y"}).status_code == 422
    assert sign_in(person, password=long).status_code == 303


def test_hashes_truncated_at_72_bytes_by_other_programs_verify_and_are_outdated(app: Flask) -> None:
    long = "y" * 100
    theirs = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    with app.app_context():
        assert passwords.verify(long, theirs) == passwords.Verdict(True, outdated=True)


@pytest.mark.parametrize("stored", ["", "x", "$2b$", "$2b$04$short", "$argon2id$v=19$m=1,t=1,p=1$AAAA$AAAA", "é" * 60])
def test_an_invalid_hash_never_verifies(app: Flask, stored: str) -> None:
    with app.app_context():
        assert not passwords.verify("anything at all", stored).correct


def test_au13_a_hash_with_too_few_rounds_is_replaced_at_the_next_sign_in(fresh_database: str) -> None:
    with portal_on(fresh_database) as careless:
        person = Builder(careless).person("old@example.com")
    with portal_on(fresh_database, bcrypt_rounds=6) as careful:
        browser = page_client(careful)

        SignIn(browser)(person)

        with acting(careful):
            stored = commands.stored_password(person.id) or ""
            assert stored.startswith("$2b$06$")
            assert passwords.verify(PASSWORD, stored) == passwords.Verdict(True)


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        ("Caf\u00e9 au lait tous les jours", "Cafe\u0301 au lait tous les jours"),
        ("one two three four", "one\u00a0two\u2003three\u3000four"),
        ("각각의 고양이가 자고 있다 지금", unicodedata.normalize("NFD", "각각의 고양이가 자고 있다 지금")),
        ("\u212bngstr\u00f6m is no unit of mine", "\u00c5ngstro\u0308m is no unit of mine"),
        ("é" * 80, "e\u0301" * 80),
    ],
)  # fmt: skip
def test_a_password_is_the_same_from_every_keyboard(app: Flask, chosen: str, typed: str) -> None:
    with app.app_context():
        assert passwords.verify(typed, passwords.hash_password(chosen)) == passwords.Verdict(True)
        assert passwords.verify(chosen, passwords.hash_password(typed)) == passwords.Verdict(True)


@pytest.mark.parametrize(
    ("chosen", "other"),
    [
        ("correct horse battery staple", "Correct horse battery staple"),
        ("correct horse battery staple", "correct horse battery staple "),
        ("correct horse battery staple", "correct  horse battery staple"),
        ("correct horse battery staple", "ｃorrect horse battery staple"),
        ("fi and ligatures are different", "ﬁ and ligatures are different"),
    ],
)  # fmt: skip
def test_case_width_and_number_of_spaces_matter(app: Flask, chosen: str, other: str) -> None:
    with app.app_context():
        assert not passwords.verify(other, passwords.hash_password(chosen)).correct


@pytest.mark.parametrize("typed", ["Cafe\u0301 au lait", "one\u00a0two three four", "e\u0301" * 60])
def test_a_hash_of_the_unnormalized_text_verifies_and_is_outdated(app: Flask, typed: str) -> None:
    raw = typed.encode()
    key = raw if len(raw) <= 72 else base64.b64encode(hashlib.sha256(raw).digest())
    ours, theirs = (bcrypt.hashpw(one, bcrypt.gensalt(4)).decode() for one in (key, raw[:72]))
    with app.app_context():
        for stored in (ours, theirs):
            assert passwords.verify(typed, stored) == passwords.Verdict(True, outdated=True)
            assert not passwords.verify(f"{typed[:-1]}x" if len(raw) <= 72 else f"x{typed}", stored).correct


def test_signing_in_replaces_a_hash_of_the_unnormalized_text(app: Flask, sign_in: SignIn, build: Builder) -> None:
    typed = "Cafe\u0301 au lait tous les jours"
    stored = bcrypt.hashpw(typed.encode(), bcrypt.gensalt(4)).decode()
    person = build.person("old@example.com", password=stored)

    sign_in(person, password=typed)

    with acting(app):
        anew = commands.stored_password(person.id) or ""
        assert passwords.verify(unicodedata.normalize("NFC", typed), anew) == passwords.Verdict(True)


@pytest.mark.parametrize(
    "invisible", ["\u200b", "\u00ad", "\u202e", "\ufeff", "\x07", "\x7f", "\ufdd0", "\U000e0041", "\u3164"]
)
def test_invisible_characters_are_refused_in_a_new_password(invisible: str) -> None:
    for password in (f"correct horse{invisible} battery staple", f"{invisible}correct horse battery staple"):
        assert "invisible characters" in (passwords.problem_of(password, 15) or "")


def test_the_minimum_length_counts_composed_characters() -> None:
    assert "characters or more" in (passwords.problem_of("e\u0301a\u0308o\u0302" * 4, 15) or "")


def test_au8_the_demo_password_does_not_work_in_production_in_any_spelling(fresh_database: str) -> None:
    with portal_on(fresh_database) as demo:
        person = Builder(demo).person("d@example.com", password=hashed(demo, DEMO_PASSWORD))
    with portal_on(fresh_database, production=True, public_url="https://portal.example.org") as production:
        for typed in (DEMO_PASSWORD, DEMO_PASSWORD.replace(" ", "\u00a0")):
            answer = Visitor(production).post("/login", {"email": person.email, "password": typed})
            assert answer.status_code == 422


def hashed(portal: Flask, password: str) -> str:
    with portal.app_context():
        return passwords.hash_password(password)


def test_au8_nobody_can_choose_the_demo_password() -> None:
    assert passwords.problem_of(DEMO_PASSWORD, 15) is not None


def test_random_passwords_are_long_unique_and_free_of_lookalikes() -> None:
    made = [passwords.random_password() for _ in range(1_000)]

    assert len(set(made)) == 1_000
    for password in made:
        assert re.fullmatch(r"([a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}", password)
        assert passwords.problem_of(password, 15) is None


# From the top of lists of leaked passwords, of 15 characters or more.
COMMON = [
    "123456789012345", "1234567890123456", "qwertyuiopasdfgh", "qwertyuiop123456", "111111111111111", "aaaaaaaaaaaaaaa",
    "1qaz2wsx3edc4rfv", "q1w2e3r4t5y6u7i8", "123456789qwerty", "12345678987654321", "1q2w3e4r5t6y7u8i",
    "iloveyouforever", "passwordpassword", "abcdefghijklmnop", "asdfghjklqwertyuiop", "zaq12wsxcde34rfv",
    "123456789abcdef", "mailcreated5240", "00000000000000000000", "987654321987654321",
]  # fmt: skip


@pytest.mark.parametrize("password", COMMON)
@pytest.mark.parametrize("written", [str, str.upper, str.title])
def test_au3_common_passwords_are_refused_in_any_case(password: str, written: Callable[[str], str]) -> None:
    assert passwords.problem_of(written(password), 15) is not None


@pytest.mark.parametrize("password", ["password", "Password1", "trustno1", "sunshine", "football1"])
def test_au3_short_common_passwords_are_refused_with_two_factor_too(password: str) -> None:
    assert "attackers try it" in (passwords.problem_of(password, 8) or "")


@pytest.mark.parametrize(
    "password",
    ["abcabcabcabcabc", "ab" * 8, "x" * 15, "hunter7" * 3, "hunter7hunter7h", "abcdefghijklmno", "zyxwvutsrqponml",
     "890123456789012", "aabbccddeeffgghh", "lkjhgfdsapoiuytr"],
)  # fmt: skip
def test_au3_repetitions_and_keyboard_sequences_are_refused_with_the_reason(password: str) -> None:
    problem = passwords.problem_of(password, 15) or ""

    assert any(words in problem for words in ("repeats a few characters", "are a sequence", "attackers try it"))


@pytest.mark.parametrize(
    "password",
    ["ada.lovelace@example.com", "ADA.LOVELACE@EXAMPLE.COM 1", "ada.lovelace2024", "2024 Ada Lovelace 1815",
     "AdaAdaLovelaceAda", "Acme Logistics 2024!", "acme-logistics-acme", "portal.example.org", "Our Portal, the portal",
     "My Acme Logistics"],
)  # fmt: skip
def test_au3_passwords_made_of_personal_details_are_refused(fresh_database: str, password: str) -> None:
    with portal_on(fresh_database, public_url="https://portal.example.org") as portal, portal.app_context():
        known = "ada.lovelace@example.com", "Ada", "Lovelace", None, "Acme Logistics", "acme-logistics"

        assert "mostly of your name" in (passwords.problem_of(password, 15, passwords.words_about(*known)) or "")


@pytest.mark.parametrize(
    "password",
    ["ada keeps nine grey geese", "logistics of a quiet sunday", "were properties hijacked", "to be or not to be 1601",
     "Li ate my last biscuit", "no rest for the wicked", "first defgh then nothing"],
)  # fmt: skip
def test_au3_a_password_that_merely_contains_a_personal_detail_is_accepted(app: Flask, password: str) -> None:
    with app.app_context():
        words = passwords.words_about("li@example.com", "Ada", "Li", "Acme Logistics", "acme")

        assert passwords.problem_of(password, 15, words) is None


@pytest.mark.parametrize("minimum", [8, 15])
def test_au3_checking_a_hostile_password_is_fast(minimum: int) -> None:
    started = time.thread_time()
    for unit in ("a", "ab", "abcdefgh", "a1b2c3d4e5f6g7h8", "\u0301", "\ufdfa", "ß", "İ", " "):
        passwords.problem_of((unit * passwords.LONGEST)[: passwords.LONGEST], minimum, {unit * 40, "abc", "a" * 300})

    assert time.thread_time() - started < 5


def test_au13_no_response_or_log_contains_a_hash(
    app: Flask, client: PageClient, sign_in: SignIn, root: Person, ada: Person, uma: Person, gil: Person,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    texts = [client.send("/login", {"email": uma.email, "password": "wrong"}).text]
    with acting(app):
        commands.set_password(uma.id, "another battery staple")
    sign_in(root)
    addresses = [
        "/", "/account/", "/users/", "/users/?status=deleted", "/users/?q=%242b%24", "/organizations/", "/users/new",
        *(f"/users/{one.id}{tail}" for one in (root, ada, uma, gil) for tail in ("", "/edit", "/delete")),
        f"/organizations/{ada.organization_id}", "/nowhere", "/healthz", "/readyz",
        "/activity/", "/activity/?field=password", "/activity/export", "/activity/export?field=password",
        f"/activity/people/{uma.id}", f"/activity/people/{uma.id}?at=2020-01-01T00:00",
    ]  # fmt: skip
    for address in addresses:
        for headers in ({}, {"HX-Request": "true"}):
            texts.append(client.get(address, headers=headers).text)
    edited = client.send(f"/users/{uma.id}/edit", {"first_name": "Changed"})
    texts.append(edited.text + str(edited.headers))

    assert len(texts) > 50
    assert not [text for text in texts if HASH.search(text)]
    assert not HASH.search(caplog.text)


def test_au13_the_repr_of_a_person_never_contains_the_hash(app: Flask, uma: Person) -> None:
    with acting(app):
        user = db.session.get(User, uma.id)

        assert not HASH.search(repr(user) + str(vars(user)))


def test_au13_a_violated_constraint_does_not_show_the_hash(app: Flask, uma: Person, ada: Person) -> None:
    @command
    def collide() -> None:
        db.session.execute(update(User).where(User.id == uma.id).values(email=ada.email, password="$2b$04$xyz"))

    with acting(app), pytest.raises(Exception, match="can't be used") as raised:
        collide()

    assert not HASH.search(str(raised.value))


def test_word_lists_are_loaded_only_once_a_new_password_is_checked() -> None:
    script = "import sys, portal; sys.exit('zxcvbn' in sys.modules)"

    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)  # noqa: S603
