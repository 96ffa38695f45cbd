"""What do organizations need to know of people, a feature that stands above them? That feature provides it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from portal.core.listing import Count
from portal.web.given import Given


@dataclass(frozen=True)
class Membership:
    """An organization's people: the newest, how many can sign in, how many of these are administrators."""

    newest: Sequence[Any]
    active: Count
    admins: Count


class Members(Protocol):
    def counted(self) -> Any:
        """A column `people` for a list of organizations: how many can sign in, up to one above the lists' `BOUND`."""

    def of(self, organization_id: uuid.UUID) -> Membership: ...

    def before_delete(self, organization_id: uuid.UUID) -> None:
        """Conflict if deleting would leave nobody who may do everything; the people's API clients are signed out."""

    def of_restoring(self, organization_id: uuid.UUID) -> list[str]:
        """What restoring the organization means for people with full access, in sentences."""


members: Given[Members] = Given("members")
