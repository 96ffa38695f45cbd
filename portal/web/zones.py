"""Time zones: choices for a select, the browser's zone, and lookup by name.

The server renders all dates and times of a page in one time zone: the account's, else the browser's, else UTC. The
page's script stores the browser's time zone in a cookie, which the next request sends.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import request

COOKIE = "time_zone"
LONGEST_NAME = 64

Choices = dict[str, list[tuple[str, str]]]


@lru_cache(maxsize=1)
def choices() -> Choices:
    """The time zones of every country (zone.tab of the time zone database), by region, for a select."""
    found: Choices = {"Anywhere": [("", "Same as the browser"), ("UTC", "UTC")]}
    table = (files("tzdata.zoneinfo") / "zone.tab").read_text(encoding="utf-8")
    names = (line.split("\t")[2] for line in table.splitlines() if line and not line.startswith("#"))
    for name in sorted(names):
        region, place = name.split("/", 1)
        found.setdefault(region, []).append((name, place.replace("_", " ").replace("/", ", ")))
    return found


@lru_cache(maxsize=1)
def _labels() -> dict[str, str]:
    return {name: label for places in choices().values() for name, label in places}


def is_offered(name: str) -> bool:
    return name in _labels()


def label_of(name: str | None) -> str:
    """The label of a time zone: `Berlin`, `Indiana, Knox`."""
    return _labels().get(name or "", name or "")


def of_browser() -> str | None:
    """The browser's time zone, as the page's script stored it."""
    name = request.cookies.get(COOKIE)
    return name if name and len(name) <= LONGEST_NAME else None


@lru_cache(maxsize=1000)
def zone_named(name: str | None) -> tzinfo:
    """The time zone of this name; UTC if it is empty or unknown on this machine."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
