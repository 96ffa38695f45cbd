"""Checks of an installation, and gauges for metrics, which features declare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class CheckFailed(Exception):
    """A check failed. The message is one line with the problem and the solution."""


@dataclass(frozen=True)
class Check:
    """A check of `flask doctor`. `run` is called as the system, and raises CheckFailed if something is wrong."""

    name: str
    run: Callable[[], str]
    needs_database: bool = True
    blocks: bool = False  # if it fails, later checks that need the database are skipped


@dataclass(frozen=True)
class Gauge:
    """A number that /metrics reads from the database, as the system."""

    name: str
    meaning: str
    read: Callable[[], float]
