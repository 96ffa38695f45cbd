"""Create, change, delete and restore organizations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from portal.core.actor import current_actor
from portal.core.db import db
from portal.core.errors import Conflict, NotAllowed
from portal.core.policy import allows
from portal.core.records import Records
from portal.organizations import queries
from portal.organizations.members import members
from portal.organizations.models import Organization
from portal.organizations.permissions import ORGANIZATIONS, ORGANIZATIONS_RENAME_SLUG

SLUG_TAKEN = "{} already uses this URL name. Change one of the two first."
SLUG_IN_USE = "This URL name is already in use."


class Organizations(Records[Organization]):
    """Changes to organizations. Deleting one writes only its row; its people are refused from their next request."""

    model = Organization
    noun = "organization"
    permissions = ORGANIZATIONS
    unique = ("slug",)

    def change(self, row: Organization, changes: Mapping[str, Any]) -> None:
        if "slug" in changes and not allows(current_actor(), ORGANIZATIONS_RENAME_SLUG):
            raise NotAllowed
        super().change(row, changes)

    def remove(self, row: Organization, at: datetime) -> None:
        members().before_delete(row.id)
        super().remove(row, at)

    def explained(self, conflict: Conflict, values: Mapping[str, Any]) -> Conflict:
        """Name the organization that has the slug."""
        if conflict.constraint != "organizations_slug_key":
            return conflict
        holder = db.session.scalar(queries.by_slug(str(values.get("slug", ""))))
        message = SLUG_TAKEN.format(holder.name) if holder else SLUG_IN_USE
        return Conflict("slug", message, constraint=conflict.constraint)


organizations = Organizations()
