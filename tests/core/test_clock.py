"""Is the present moment unmistakable?"""

from __future__ import annotations

from datetime import UTC, timedelta

from portal.core.clock import now


def test_the_present_moment_is_in_utc_and_says_so() -> None:
    assert now().tzinfo is UTC
    assert now().utcoffset() == timedelta(0)


def test_the_clock_moves_on() -> None:
    assert now() <= now()
