"""Untrusted text is shown as one harmless line."""

from __future__ import annotations

import logging

import pytest

from portal.core.lines import Formatter, one_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zoë 李 👋", "Zoë 李 👋"),
        ("a\r\nb", r"a\r\nb"),
        ("\x1b[2J\x9b31m\x07", r"\x1b[2J\x9b31m\x07"),
        ("\u202egnp.exe\u2028", r"\u202egnp.exe\u2028"),
        ("C:\\temp", "C:\\temp"),
    ],
)
def test_lg6_invisible_characters_are_escaped(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_lg6_a_name_cannot_forge_a_log_entry() -> None:
    record = logging.LogRecord(
        "portal", logging.INFO, "", 1, "%s came", ("Ada\r\n2026-01-01 INFO forged\x1b[1A",), None
    )

    first, second = Formatter().format(record).split("\n")

    assert first.endswith(r"INFO Ada\r")
    assert second == r"    2026-01-01 INFO forged\x1b[1A came"
