"""A temporary tenant for the isolation self-test: its keys, and texts that can be recognized."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Samples = Iterator[tuple[type[Any], Mapping[str, Any]]]


@dataclass(frozen=True)
class Texts:
    """The parts of a tenant's texts: a word to search for, and marks that must never show unless they were sent."""

    word: str
    canary: str
    marks: dict[str, str] = field(default_factory=dict)  # by kind

    def mark(self, kind: str) -> str:
        """The mark of all texts of a kind, such as "the name of a team"."""
        return self.marks.setdefault(kind, f"{self.canary}x{len(self.marks)}")

    def phrase(self, kind: str) -> str:
        return f"{self.word} {self.mark(kind)}"

    def slug(self, kind: str) -> str:
        return f"{self.word}-{self.mark(kind)}"


@dataclass(frozen=True)
class SampleTenant:
    """An organization and its people by kind: `admin`, `user`, `deleted`, and `hidden`, a SUPER_ADMIN."""

    id: uuid.UUID
    people: Mapping[str, uuid.UUID]
    texts: Texts
    password: str | None = None  # hashed; without one they can't sign in
