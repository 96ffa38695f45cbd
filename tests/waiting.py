"""Wait for what happens in other threads and processes, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.database import connect

PATIENCE = 60.0  # seconds
BLOCKED = b"SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def until(holds: Callable[[], object], what: str, *, every: float = 0.02) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"after {PATIENCE:.0f} s: {what}"
        time.sleep(every)


def until_blocked(address: str) -> None:
    """Wait until a statement in the database waits for a lock."""
    with connect(address) as connection:
        until(lambda: connection.execute(BLOCKED).fetchone() is not None, "nothing is blocked")
