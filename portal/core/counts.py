"""How many are there, as far as it is known?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Count:
    """How many rows; `more` than the value, or `about` as many, where counting them all would cost too much."""

    value: int
    kind: Literal["exact", "more", "about"] = "exact"

    @classmethod
    def bounded(cls, counted: int, bound: int) -> Count:
        """What a count that stopped one above `bound` says."""
        return cls(counted) if counted <= bound else cls(bound, "more")
