"""Codes of authenticator apps and recovery codes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from flask import Flask

from portal.mfa import codes

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # from the test vectors of RFC 6238
AT = datetime(2009, 2, 13, 23, 31, 30, tzinfo=UTC)
STEP = 41152263


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "now", lambda: AT)


def test_the_example_code_of_the_rfc_is_accepted_with_its_time_step() -> None:
    assert codes.step_of(SECRET, "005924") == STEP


@pytest.mark.parametrize(("steps", "is_valid"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_can_be_one_step_ahead_or_behind(steps: int, is_valid: bool) -> None:
    typed = pyotp.TOTP(SECRET).at(AT + timedelta(seconds=30 * steps))

    assert (codes.step_of(SECRET, typed) == STEP + steps) is is_valid


def test_a_used_time_step_and_earlier_ones_are_refused() -> None:
    assert codes.step_of(SECRET, "005924", after=STEP) is None
    assert codes.step_of(SECRET, "005924", after=STEP - 1) == STEP
    assert codes.step_of(SECRET, pyotp.TOTP(SECRET).generate_otp(STEP - 1), after=STEP) is None


@pytest.mark.parametrize(
    "typed",
    ["005 924", "005-924", " 005924\n", "005\u2011924", "005\u2013924", "005\u00a0924", "\u200b005\u2060924\ufeff"],
)
def test_a_code_can_be_typed_in_groups(typed: str) -> None:
    assert codes.step_of(SECRET, typed) == STEP


@pytest.mark.parametrize("typed", ["٠٠٥٩٢٤", "۰۰۵۹۲۴", "००५९२४", "００５９２４", "００５－９２４", "𝟎𝟎𝟓𝟗𝟐𝟒", "0０٥9२4"])
def test_digits_of_any_script_and_width_are_accepted(typed: str) -> None:
    assert codes.step_of(SECRET, typed) == STEP


@pytest.mark.parametrize(
    "typed",
    ["", "5924", "0059240", "00592a", "⁰⁰⁵⁹²⁴", "⓪⓪⑤⑨②④", "+05924", "005924" * 1700, "\0", "0x1724", "零零五九二四"],
)
def test_anything_but_six_digits_is_refused(typed: str) -> None:
    assert codes.step_of(SECRET, typed) is None


def test_recovery_codes_are_ten_unique_codes_of_eighty_bits_in_any_spelling() -> None:
    made = codes.new_recovery_codes()

    assert len(set(made)) == 10
    assert len(codes.ALPHABET) ** len(made[0].replace("-", "")) >= 2**80
    assert codes.digest(made[0]) == codes.digest(made[0].upper().replace("-", " ")) != codes.digest(made[1])
    wide = "".join(chr(ord(one) + 0xFEE0) for one in made[0])
    assert codes.digest(wide) == codes.digest(f"\u200b{made[0]}\ufeff") == codes.digest(made[0])


def test_the_qr_code_is_an_inline_svg(app: Flask) -> None:
    with app.app_context():
        qr_code = codes.qr_code(SECRET, "uma@example.com")

    assert qr_code.startswith("data:image/svg+xml")
    assert SECRET not in qr_code
