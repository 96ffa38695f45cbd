"""What an import does with the rows of one resource."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from portal.core.actor import current_actor
from portal.core.db import db
from portal.core.policy import Permission, allows
from portal.core.text import showable
from portal.imports.models import Import, ImportRow
from portal.imports.uploads import Staging
from portal.imports.words import Words
from portal.resources.resource import Resource

LONGEST_TEXT = 60


class Importer(ABC):
    """Checks and imports rows of one resource: people by SQL for many rows, all others by their description."""

    resource: Resource[Any]
    words: Words
    batch: int | None = None  # rows in one transaction, if fewer than `uploads.BATCH`

    def needs(self, permission: str) -> Permission:
        """The resource's permission to `create`, `write` or `delete`."""
        needed: Permission = getattr(self.resource.permissions, permission)
        return needed

    def is_offered(self) -> bool:
        """Whether the actor may import such rows."""
        return allows(current_actor(), self.needs("create"))

    @abstractmethod
    def overwritten(self) -> Mapping[str, str]:
        """The fields of existing rows that the actor may choose to overwrite, with their labels."""

    @abstractmethod
    def staging(self, one: Import) -> Staging:
        """Return the function that turns a row of the file into the values to store. It also runs in a thread."""

    @abstractmethod
    def check(self, one: Import, first: int, last: int) -> bool:
        """Decide again about rows not yet refused, without writing others. Returns whether the next ones may follow."""

    @abstractmethod
    def write(self, one: Import, first: int, last: int) -> None:
        """Check rows again, then create and update what they describe. Raises Conflict if none may be written."""

    @abstractmethod
    def undo(self, one: Import, first: int, last: int) -> int:
        """Delete what these rows created, and restore what they updated, unless changed since. Returns how many."""


def beginning(cells: Iterable[str]) -> str:
    """The beginning of a row as its page shows it."""
    return showable(", ".join(filter(None, cells))[:LONGEST_TEXT])


def rows_between(import_id: uuid.UUID, first: int, last: int, *verdicts: str) -> tuple[Any, ...]:
    """The condition of the rows with these numbers and verdicts."""
    return ImportRow.import_id == import_id, ImportRow.number.between(first, last), ImportRow.verdict.in_(verdicts)


def ids_between(import_id: uuid.UUID, first: int, last: int, verdict: str) -> list[uuid.UUID]:
    """What rows with this verdict create or update, in their order."""
    found = select(ImportRow.row_id).where(*rows_between(import_id, first, last, verdict))
    return [key for key in db.session.scalars(found.order_by(ImportRow.number)) if key]
