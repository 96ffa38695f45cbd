"""The clock is in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portal.core.clock import now


def test_now_is_in_utc() -> None:
    assert now().tzinfo is UTC
    assert now().utcoffset() == timedelta(0)


def test_now_is_the_current_time() -> None:
    assert datetime.now(UTC) <= now() <= datetime.now(UTC)
