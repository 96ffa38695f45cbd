"""Format values of the database for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from portal.data_browser.tables import Column, Reference

LONG = 80
SHORT = 8


@dataclass(frozen=True)
class Value:
    """A value as text; None is NULL. `links_to` is the target of a reference."""

    column: Column
    text: str | None
    is_cut: bool = False
    links_to: Reference | None = None

    @property
    def is_secret(self) -> bool:
        return self.column.secret is not None

    @property
    def moment(self) -> datetime | None:
        """The time; None if Python can't represent it, such as infinity."""
        if self.column.type != "timestamp with time zone" or not self.text:
            return None
        try:
            return datetime.fromisoformat(self.text).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    @property
    def short(self) -> str:
        """The end of a UUID, which differs even if UUIDs were created one after the other."""
        return f"…{(self.text or '')[-SHORT:]}"


def as_text(count: int) -> str:
    """A size in bytes: 1.2 MB."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
