"""What organizations use of people. The users feature, a layer above, provides it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from portal.core.actor import Role
from portal.core.listing import Count
from portal.web.charts import Chart
from portal.web.given import Given


@dataclass(frozen=True)
class Membership:
    """An organization's people: the newest, the number who can sign in, and of these the administrators.

    `seats` counts the people who take up a seat. Of those who can sign in, `protected` have two-factor
    authentication. In a deleted organization nobody can, so everybody who isn't deleted counts.
    """

    newest: Sequence[Any]
    people: Count
    admins: Count
    protected: Count
    seats: Count
    last_sign_in_at: datetime | None
    last_activity_at: datetime | None


class Members(Protocol):
    def counted(self, *, status: str = "active", role: str = "") -> Any:
        """A number of people for lists of organizations: those who can sign in, or have this status; with this role."""

    def unadministered(self) -> Any:
        """A subquery for the keys of organizations, deleted or not, without an administrator who can sign in."""

    def oneself(self) -> tuple[str, bool]:
        """The actor's email address, and whether they have a second factor."""

    def seats_in(self, organization_id: uuid.UUID) -> int:
        """How many seats are in use: one for each person who isn't deactivated or deleted, except SUPER_ADMINs."""

    def unprotected_in(self, organization_id: uuid.UUID, roles: Sequence[Role]) -> int:
        """How many people who can sign in, with these roles, have no second factor."""

    def of(self, organization_id: uuid.UUID, *, is_deleted: bool = False) -> Membership: ...

    def charts(self, organization_id: uuid.UUID, *, by_day: bool) -> Sequence[Chart]:
        """Its people and sign-ins over time."""

    def before_delete(self, *organization_ids: uuid.UUID) -> None:
        """Raise Conflict if no super admin could sign in after the deletion."""

    def of_deleting(self, organization_id: uuid.UUID) -> list[str]:
        """Consequences of deleting the organization for its people, as sentences with numbers."""

    def has_last_super_admins(self, organization_ids: Sequence[uuid.UUID]) -> Any:
        """A condition: without these organizations no super admin could sign in, and this one has some."""

    def number_in(self, organization_ids: Sequence[uuid.UUID]) -> int:
        """How many people of these organizations can sign in unless they are deleted."""

    def of_deactivating(self, organization_id: uuid.UUID, days: int, warning_days: int) -> Sequence[str]:
        """Consequences of deactivating people after so many days without a sign-in, as sentences with numbers."""

    def of_restoring(self, organization_id: uuid.UUID) -> list[str]:
        """Consequences of restoring the organization for its super admins, as sentences."""


members: Given[Members] = Given("members")
