"""What can go wrong that a person should hear about?"""

from __future__ import annotations

from typing import Any

import psycopg


class Missing(Exception):
    """No such row for this actor: absent, deleted or another tenant's, which must look the same."""


class NotAllowed(Exception):
    """The actor may see the row, but not do this to it."""


class Busy(Exception):
    """The database was asked to do too much at once; trying again later is right."""


class Occupied(Exception):
    """Too many queries are running; `is_own` if it's the actor's own. Trying again later helps."""

    def __init__(self, message: str, *, is_own: bool) -> None:
        super().__init__(message)
        self.message = message
        self.is_own = is_own


class Overdue(Exception):
    """A statement took too long. If PostgreSQL can't interrupt it, it keeps running."""


class RateLimited(Exception):
    """This was tried too often; after so many seconds it may be tried again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many tries: wait {seconds} s")
        self.seconds = max(seconds, 1)


class Conflict(Exception):
    """Some other row, or a rule, stands in the way. `field` names the form's field, None the whole form.

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
    """The row is newer than the one that the edit began from; `current` is the row as it is now."""

    def __init__(self, current: Any) -> None:
        super().__init__("the row was changed by somebody else")
        self.current = current


class NeedsDirectUrl(Exception):
    """The work needs a connection of its own, and only the address of a pooler of transactions is known."""


class UnsuitableDatabase(psycopg.OperationalError):
    """The portal can't run on this database or with this login; the message says who must do what."""


class RightsMissing(UnsuitableDatabase):
    """The login lacks a privilege that a migration needs."""
