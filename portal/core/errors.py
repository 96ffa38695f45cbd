"""Errors that are reported to people."""

from __future__ import annotations

from typing import Any

import psycopg


class Missing(Exception):
    """No such row for this actor: absent, deleted or another tenant's, which must look the same."""


class NotAllowed(Exception):
    """The actor may see the row, but not do this to it."""


class ReadOnly(Exception):
    """Not possible while viewing the portal as another person. The message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Busy(Exception):
    """The database is overloaded. Trying again later helps."""


class Occupied(Exception):
    """Too many queries are running: the actor's own if `is_own`. Trying again later helps."""

    def __init__(self, message: str, *, is_own: bool) -> None:
        super().__init__(message)
        self.message = message
        self.is_own = is_own


class Overdue(Exception):
    """A statement took too long. It may still be running if PostgreSQL can't interrupt it."""


class RateLimited(Exception):
    """There were too many attempts; `seconds` is how long to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many attempts: wait {seconds} s")
        self.seconds = max(seconds, 1)


class Conflict(Exception):
    """Another row, or a rule, prevents the change. `field` names the form's field, None means the whole form.

    `constraint` is the database's name for it, `deleted_id` a deleted row that could be restored instead.
    """

    def __init__(
        self, field: str | None, message: str, *, constraint: str | None = None, deleted_id: Any = None
    ) -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.constraint = constraint
        self.deleted_id = deleted_id


class Stale(Exception):
    """Someone else saved changes since the edit began; `current` is the row as it is now."""

    def __init__(self, current: Any) -> None:
        super().__init__("the row was changed by somebody else")
        self.current = current


class NeedsDirectUrl(Exception):
    """The task needs a direct connection, and only the address of a transaction pooler is known."""


class UnsuitableDatabase(psycopg.OperationalError):
    """The portal can't run on this database or with this login. The message names the solution."""


class RightsMissing(UnsuitableDatabase):
    """The login lacks a privilege that a migration needs."""
