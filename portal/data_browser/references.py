"""References of columns to rows of other tables: foreign keys, and columns that the portal keeps without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LONGEST = 1000  # characters of a value in a link

# Columns that reference rows without a foreign key, so that the rows can be removed, or because a trigger checks them.
KEPT: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "created_by": ("users", ("id",)),
    "updated_by": ("users", ("id",)),
    "deleted_by": ("users", ("id",)),
    "actor_id": ("users", ("id",)),
    "organization_id": ("organizations", ("id",)),
    "activity_id": ("activity", ("id",)),
    "event_id": ("activity", ("id",)),
    "operation_id": ("operations", ("id",)),
    "undoes": ("operations", ("id",)),
}


@dataclass(frozen=True)
class Reference:
    """Columns, the table that they reference, and its columns with the same values."""

    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    is_key: bool = False  # whether the targets are the other table's key, in its order

    def in_order(self, key: Sequence[str]) -> Reference:
        """The same reference, in the order of the other table's key if that is what it references."""
        if sorted(key) != sorted(self.targets):
            return self
        of = dict(zip(self.targets, self.columns, strict=True))
        return Reference(tuple(of[one] for one in key), self.table, tuple(key), is_key=True)

    def target(self, texts: Mapping[str, str | None], most: int) -> Target | None:
        """The referenced rows, given the row's values. None if one of them is NULL, secret, or longer than `most`."""
        values = [
            text for name in self.columns if (text := texts.get(name)) is not None and len(text) <= min(most, LONGEST)
        ]
        if len(values) < len(self.columns):
            return None
        where = [f"{name}:is:{text}" for name, text in zip(self.targets, values, strict=True)]
        return Target(self.table, values if self.is_key else (), where)


@dataclass(frozen=True)
class Target:
    """The rows that a value references: one by its key, or those that meet conditions."""

    table: str
    key: Sequence[str]
    where: Sequence[str]

    @property
    def name(self) -> str:
        return f"{self.table} {', '.join(one.split(':', 2)[2] for one in self.where)}"
