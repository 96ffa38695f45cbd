"""Checks of an installation, and gauges for metrics, which features declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Ailing(Exception):
    """A check failed; the message is one line that says what to do."""


@dataclass(frozen=True)
class Check:
    """A check of `flask doctor`. `look` runs as the system, and raises Ailing if something is wrong."""

    name: str
    look: Callable[[], str]
    needs_database: bool = True
    blocks: bool = False  # if it fails, later checks that need the database are skipped


@dataclass(frozen=True)
class Gauge:
    """A number that /metrics reads from the database, as the system."""

    name: str
    meaning: str
    read: Callable[[], float]
