"""How often to repeat tests of rare failures."""

from __future__ import annotations

import os


def rounds(kind: str, usual: int) -> int:
    """The number in PORTAL_TEST_<kind>. The requirements ask for 200 ROUNDS, 100 KILLS, 10 RESTARTS, a million PEOPLE.

    By default only as many as take a few seconds.
    """
    return int(os.environ.get(f"PORTAL_TEST_{kind}", usual))
