"""Cursors of lists survive the round trip through a URL, and invalid ones are ignored."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Row

from portal.core.cursors import LONGEST, decoded, encoded, moment
from tests.hostile.corpus import EVERYTHING

KEY = uuid.UUID("01a204ac-27a2-7756-bed9-0f728804ad49")


def row(sort_key: object, key: object) -> Row[Any]:
    return cast(Row[Any], SimpleNamespace(sort_key=sort_key, id=key))


def forged(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("sort_key", "key", "read_value"),
    [
        ("müller ada", KEY, str),
        ("", KEY, str),
        ("日本 😀 \"'\\ \u202e", KEY, str),
        (datetime(2026, 11, 22, 19, 3, 4, 123456, tzinfo=UTC), KEY, moment),
        (datetime(1, 1, 1, tzinfo=UTC), KEY, moment),
        (datetime(9999, 12, 31, tzinfo=UTC), KEY, moment),
    ],
)
def test_a_cursor_keeps_its_values(sort_key: object, key: object, read_value: Callable[[str], Any]) -> None:
    text = encoded(row(sort_key, key))

    assert decoded(text, read_value) == (sort_key, key)
    assert text.isascii()
    assert not set(text) & set("&=?#%/+ ")


def test_a_thousand_random_names_keep_their_values() -> None:
    random = Random(7)  # noqa: S311 -- reproducible
    for _ in range(1000):
        name = "".join(
            chr(random.choice((random.randrange(1, 0xD800), random.randrange(0xE000, 0x110000)))) for _ in range(9)
        )
        assert decoded(encoded(row(name, KEY)), str) == (name, KEY)


def test_a_moment_without_a_time_zone_is_utc() -> None:
    assert moment("2026-11-22T19:00:00") == datetime(2026, 11, 22, 19, tzinfo=UTC)
    assert moment("2026-11-22T19:00:00+02:00") == datetime(2026, 11, 22, 19, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "=",
        "A" * (LONGEST + 1),
        "é",
        forged(),
        forged("a"),
        forged("a", str(KEY), "more"),
        forged("a", "no key"),
        forged("a", None),
        forged(["a"], ["b"]),
        forged({"a": 1}, {"b": 2}),
        forged("nul\x00", str(KEY)),
        forged("\ud800", str(KEY)),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 1700).decode(),
        base64.urlsafe_b64encode(b'[NaN,"x"]').decode(),
        base64.urlsafe_b64encode(b"12").decode(),
    ],
)
def test_in3_an_invalid_cursor_is_ignored(text: str | None) -> None:
    assert decoded(text, str) is None
    assert decoded(text, moment) is None


def test_in3_a_hostile_value_is_never_a_cursor_or_an_error() -> None:
    for value in EVERYTHING:
        for place in (value, forged(value, value), forged(value, str(KEY)), forged("2026-01-01", value)):
            found = decoded(place, moment)
            assert found is None or (isinstance(found[0], datetime) and isinstance(found[1], uuid.UUID))
            text = decoded(place, str)
            assert text is None or isinstance(text[1], uuid.UUID)


@pytest.mark.parametrize("numeral", [1e309, -1e309, True, 1.9, 10**400])
def test_in3_json_numbers_are_not_keys(numeral: float) -> None:
    assert decoded(forged("2026-01-01", numeral), moment) is None


@pytest.mark.parametrize("offset", ["+16:00", "-23:59", "+23:59:59.999999"])
def test_an_offset_that_postgresql_does_not_accept_becomes_utc(offset: str) -> None:
    assert moment(f"2026-01-02T00:00:00{offset}").utcoffset() == timedelta(0)
