"""Keys are unique, ordered by time and conform to RFC 9562."""

from __future__ import annotations

import time
import uuid
from random import Random

from portal.core.keys import uuid7


def test_a_key_is_a_version_7_uuid_that_begins_with_the_time() -> None:
    before = time.time_ns() // 1_000_000

    key = uuid7()

    assert (key.version, key.variant) == (7, uuid.RFC_4122)
    assert before <= key.int >> 80 <= time.time_ns() // 1_000_000


def test_keys_follow_the_clock() -> None:
    keys = [uuid7(milliseconds) for milliseconds in range(1_700_000_000_000, 1_700_000_001_000)]

    assert keys == sorted(keys)


def test_keys_of_one_moment_differ() -> None:
    assert len({uuid7(1_700_000_000_000) for _ in range(50_000)}) == 50_000


def seeded(seed: int, milliseconds: int = 1_700_000_000_000) -> uuid.UUID:
    return uuid7(milliseconds, Random(seed))  # noqa: S311 -- reproducible


def test_a_key_can_be_reproduced() -> None:
    assert seeded(1) == seeded(1)
    assert seeded(1) != seeded(2)


def test_version_and_variant_bits_are_always_set() -> None:
    for milliseconds in (0, (1 << 48) - 1, 1 << 60):
        for seed in range(200):
            key = seeded(seed, milliseconds)
            assert (key.version, key.variant) == (7, uuid.RFC_4122)
