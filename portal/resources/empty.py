"""Empty states of lists."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Empty:
    """The empty state of a tab: the reason, and the next step."""

    title: str
    text: str
    icon: str
    offers_new: bool = False
