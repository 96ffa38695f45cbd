"""How often is repeated what goes wrong only now and then?"""

from __future__ import annotations

import os


def rounds(kind: str, usual: int) -> int:
    """As often as PORTAL_TEST_<kind> says: the promises name 200 ROUNDS, 100 KILLS, 10 RESTARTS, a million PEOPLE.

    Without it as often as a few seconds allow.
    """
    return int(os.environ.get(f"PORTAL_TEST_{kind}", usual))
