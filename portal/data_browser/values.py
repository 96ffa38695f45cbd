"""How does a value of the database look to people?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from portal.data_browser.tables import Column, Reference

LONG = 80
SHORT = 8


@dataclass(frozen=True)
class Value:
    """One value as text; None is NULL. `links_to` is where a reference leads."""

    column: Column
    text: str | None
    is_cut: bool = False
    links_to: Reference | None = None

    @property
    def is_secret(self) -> bool:
        return self.column.secret is not None

    @property
    def moment(self) -> datetime | None:
        """The moment, for the reader's clock; None where it is none that Python knows, such as infinity."""
        if self.column.type != "timestamp with time zone" or not self.text:
            return None
        try:
            return datetime.fromisoformat(self.text).astimezone(UTC)
        except (ValueError, OverflowError):
            return None

    @property
    def short(self) -> str:
        """The end of a UUID tells those apart that were made one after the other."""
        return f"…{(self.text or '')[-SHORT:]}"


def as_text(count: int) -> str:
    """Bytes in few words: 1.2 MB."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
