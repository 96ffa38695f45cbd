"""Create, change, delete and restore organizations."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from portal.core.actor import current_actor
from portal.core.db import command, db, locked
from portal.core.errors import Conflict, NotAllowed
from portal.core.models import Record
from portal.core.policy import allows
from portal.core.purging import purge_some
from portal.core.records import Records
from portal.jobs.commands import start
from portal.organizations import queries
from portal.organizations.members import members
from portal.organizations.models import Organization
from portal.organizations.permissions import ORGANIZATIONS, ORGANIZATIONS_LIMIT, ORGANIZATIONS_RENAME_SLUG
from portal.organizations.settings import NO_ADMIN, check
from portal.resources.relation import by_references
from portal.resources.resource import Resource, resources

PURGE_JOB = "purge"
MOST_AT_ONCE = 5_000  # rows of an organization that is purged within a request
SLUG_TAKEN = "{} already uses this URL name. Change one of the two first."
SLUG_IN_USE = "This URL name is already in use."


class Organizations(Records[Organization]):
    """Changes to organizations. Deleting one writes only its row; its people are refused from their next request."""

    model = Organization
    noun = "organization"
    permissions = ORGANIZATIONS
    unique = ("slug",)

    def change(self, row: Organization, changes: Mapping[str, Any]) -> None:
        actor = current_actor()
        if "slug" in changes and not allows(actor, ORGANIZATIONS_RENAME_SLUG):
            raise NotAllowed
        is_taken = "inviters" in changes and NO_ADMIN in (changes["inviters"], row.inviters)
        if ("seat_limit" in changes or is_taken) and not allows(actor, ORGANIZATIONS_LIMIT):
            raise NotAllowed
        check(row, changes)
        super().change(row, changes)

    def remove(self, row: Organization, at: datetime) -> None:
        members().before_delete(row.id)
        super().remove(row, at)

    def purge(self, row_id: uuid.UUID) -> None:
        """First its rows, each batch in a transaction of its own. Continues where an earlier call was interrupted."""
        while self.purge_batch(row_id):
            pass

    @command
    def purge_batch(self, row_id: uuid.UUID) -> int:
        """Remove the next rows of a deleted organization, at last itself. Returns how many of its rows. Missing."""
        deleted = Organization.deleted_at.is_not(None)
        locked(self.by_id(row_id).where(deleted), with_deleted=True)  # so that it isn't restored meanwhile
        for one in reversed(by_references()):
            model = one.records.model
            if one.records is not self and (removed := purge_some(model, model.tenant() == row_id)):
                return removed
        purge_some(Organization, Organization.id == row_id)
        return 0

    def begin_purge(self, row_id: uuid.UUID) -> bool:
        """A large organization is purged by a job, which shows no name."""
        rows = sum(self.held(row_id).values())
        if rows <= MOST_AT_ONCE:
            return super().begin_purge(row_id)
        start(PURGE_JOB, "Permanent deletion of an organization", {"organization": str(row_id)}, total=rows)
        return False

    def held(self, row_id: uuid.UUID) -> dict[Resource[Any], int]:
        """How many rows of each other resource it has, including deleted ones."""

        def count(model: type[Record]) -> int:
            rows = select(func.count(model.id)).where(model.tenant() == row_id)
            return db.session.scalar(rows, execution_options={"with_deleted": True}) or 0

        return {one: count(one.records.model) for one in resources().values() if one.records is not self}

    def purge_before(self, before: datetime) -> int:
        old = select(Organization.id).where(Organization.deleted_at < before)
        keys = db.session.scalars(old, execution_options={"with_deleted": True}).all()
        for key in keys:
            self.purge(key)
        return len(keys)

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
