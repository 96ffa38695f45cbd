"""What is a check of an installation, and what a gauge? Functions, which features give to those who ask them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Ailing(Exception):
    """Something is not as it should be; the message is one line that says what to do."""


@dataclass(frozen=True)
class Check:
    """One line of `flask doctor`. `look` runs as the system; Ailing is its way to complain."""

    name: str
    look: Callable[[], str]
    needs_database: bool = True
    blocks: bool = False  # if it fails, later checks that need the database are skipped


@dataclass(frozen=True)
class Gauge:
    """One number that /metrics reads from the database, as the system."""

    name: str
    meaning: str
    read: Callable[[], float]
