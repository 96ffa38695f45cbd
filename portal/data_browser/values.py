"""Format values of the database for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from portal.data_browser.references import Target
from portal.data_browser.tables import Column, Table

LONG = 80
SHORT = 8


@dataclass(frozen=True)
class Value:
    """A value as text; None is NULL. `links_to` is what it references."""

    column: Column
    text: str | None
    is_cut: bool = False
    links_to: Target | None = None

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


def value_in(table: Table, name: str, texts: Mapping[str, str | None], longest: int) -> Value:
    """A column's value in a row, given the texts of its readable columns, one character more than the longest."""
    column, text = table.columns[name], texts.get(name)
    if column.secret is not None or text is None:
        return Value(column, None)
    reference = table.references.get(name)
    target = reference.target(texts, longest) if reference else None
    return Value(column, text[:longest], is_cut=len(text) > longest, links_to=target)


def as_text(count: int) -> str:
    """A size in bytes: 1.2 MB."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if size >= 10 or unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")
