"""Which time zones can be chosen, and what is the one of that name?"""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Choices = dict[str, list[tuple[str, str]]]


@lru_cache(maxsize=1)
def choices() -> Choices:
    """One or more for each country (zone.tab of the time zone database), by region, for a select."""
    found: Choices = {"Anywhere": [("", "As the browser says, else UTC"), ("UTC", "UTC")]}
    table = (files("tzdata.zoneinfo") / "zone.tab").read_text(encoding="utf-8")
    names = (line.split("\t")[2] for line in table.splitlines() if line and not line.startswith("#"))
    for name in sorted(names):
        region, place = name.split("/", 1)
        found.setdefault(region, []).append((name, place.replace("_", " ").replace("/", ", ")))
    return found


def label_of(name: str | None) -> str:
    """What was chosen under this name: `Berlin`, `Indiana, Knox`."""
    return next((label for places in choices().values() for key, label in places if key == (name or "")), name or "")


@lru_cache(maxsize=1000)
def zone_named(name: str | None) -> tzinfo:
    """UTC for none, and for one that this machine does not know (any more)."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
