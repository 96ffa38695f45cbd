"""The values of filters in URLs."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from sqlalchemy import literal

from portal.core.filtering import COMMAS, MOST, TOO_MANY, chosen, joined
from portal.core.sources import Filter

KEY, OTHER = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
SHAPE = Filter(
    lambda value: literal(value) == "x" if value in ("round", "square") or value.isdigit() else None,
    lambda value, _: value,
    choices=lambda: (("round", "Round"), ("square", "Square")),
    any_of=lambda values: literal(",".join(values)) == "x",
)
ONE = Filter(lambda value: literal(value) == "x" if value == "round" else None, lambda value, _: value)
ROW = Filter(
    lambda value: literal(value) == "x",
    lambda value, _: value,
    any_of=lambda values: literal(",".join(values)) == "x",
    key_of=lambda text: {"Acme, Inc.": OTHER, "Birch & Sons": KEY}.get(text, ""),
)


@pytest.mark.parametrize(
    ("one", "value", "kept", "is_refused"),
    [
        (SHAPE, "round", "round", False),
        (SHAPE, "round,square,round", "round,square", False),
        (SHAPE, "round,oval", "round", True),
        (SHAPE, ",,", None, True),
        (SHAPE, "oval", None, True),
        (ONE, "round,square", None, True),
        (ROW, KEY, KEY, False),
        (ROW, f"{KEY},{OTHER}", f"{KEY},{OTHER}", False),
        (ROW, "Acme, Inc.", OTHER, False),
        (ROW, f"{KEY},Acme, Inc.", f"{KEY},{OTHER}", False),
        (ROW, f"{OTHER},Acme, Inc.", OTHER, False),
        (ROW, "Acme, Inc.,Birch & Sons", f"{OTHER},{KEY}", False),
        (ROW, "Birch & Sons, Acme, Inc., Birch & Sons", f"{KEY},{OTHER}", False),
        (ROW, "Birch & Sons, Acme", "Birch & Sons, Acme", True),
        (ROW, "Birch", "Birch", True),
    ],
)
def test_a_filter_keeps_its_valid_values(one: Filter, value: str, kept: str | None, *, is_refused: bool) -> None:
    found = chosen({"f": one}, {"f": value})

    assert (found.values.get("f"), "f" in found.refused) == (kept, is_refused)
    assert len(found.conditions) == (kept is not None)


def test_a_filter_has_a_bounded_number_of_values() -> None:
    found = chosen({"f": SHAPE}, {"f": ",".join(map(str, range(1_000)))})

    assert found.values["f"].count(",") == MOST - 1
    assert found.refused == {"f": TOO_MANY}


def test_names_are_looked_up_until_there_are_too_many() -> None:
    keys = {f"Team {number}": str(uuid.UUID(int=number)) for number in range(1, 1_001)}
    asked: list[str] = []

    def key_of(text: str) -> str:
        asked.append(text)
        return keys.get(text, "")

    found = chosen({"f": replace(ROW, key_of=key_of)}, {"f": ", ".join(keys)})

    assert found.values["f"].split(",") == list(keys.values())[:MOST]
    assert found.refused == {"f": TOO_MANY}
    assert len(asked) <= 1 + (MOST + 1) * (COMMAS + 1)


def test_repeated_arguments_are_joined_without_empty_ones() -> None:
    assert joined({"f": ["a", "", "b", "a"], "q": ["x"]}) == {"f": "a,b", "q": "x"}
