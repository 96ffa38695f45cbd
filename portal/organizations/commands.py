"""Create, change, delete and restore organizations."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

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


def organization_for(values: Mapping[str, Any]) -> uuid.UUID | None:
    """The active organization of a new row: the one in its values, or the actor's own if they belong to a tenant."""
    actor = current_actor()
    return lock_active(values.get("organization_id") if actor.is_unlimited else actor.organization_id)


def lock_active(organization_id: uuid.UUID | None) -> uuid.UUID | None:
    """Lock an organization, so that it can't be deleted meanwhile. None stays None. Conflict if it is deleted."""
    if organization_id is None:
        return None
    wanted = select(Organization.id).where(Organization.id == organization_id).with_for_update(read=True)
    found = db.session.scalar(wanted)
    if found is None:
        raise Conflict("organization_id", "This organization doesn't exist or was deleted.")
    return found
