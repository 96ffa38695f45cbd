"""How do organizations come to be, change, go and come back? Each function is one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from portal.core import history
from portal.core.actor import current_actor
from portal.core.clock import now
from portal.core.db import command, db, locked, was_made
from portal.core.errors import Conflict, NotAllowed, Stale
from portal.core.policy import allows
from portal.organizations import queries
from portal.organizations.members import members
from portal.organizations.models import Organization
from portal.organizations.permissions import ORGANIZATIONS_DELETE, ORGANIZATIONS_RENAME_SLUG


def create_organization(values: Mapping[str, Any], *, row_id: uuid.UUID) -> uuid.UUID:
    """Create; the same `row_id` again leads to the same row. Conflict on `slug` where it is in use."""
    try:
        _create(values, row_id)
    except Conflict as conflict:
        if not was_made(Organization, row_id):
            raise explained(conflict, str(values["slug"])) from None
    return row_id


@command
def _create(values: Mapping[str, Any], row_id: uuid.UUID) -> None:
    db.session.add(Organization(**{**values, "id": row_id}))


def update_organization(organization_id: uuid.UUID, version: int, values: Mapping[str, Any]) -> Organization:
    """Change name and slug. Missing, Stale where the row is newer than `version`, Conflict, NotAllowed."""
    try:
        return _update(organization_id, version, values)
    except Conflict as conflict:
        raise explained(conflict, str(values.get("slug", ""))) from None


@command
def _update(organization_id: uuid.UUID, version: int, values: Mapping[str, Any]) -> Organization:
    organization = locked(queries.by_id(organization_id))
    if organization.version != version:
        raise Stale(organization)
    _change(organization, {name: value for name, value in values.items() if getattr(organization, name) != value})
    return organization


def _change(organization: Organization, changes: Mapping[str, Any]) -> None:
    if "slug" in changes and not allows(current_actor(), ORGANIZATIONS_RENAME_SLUG):
        raise NotAllowed
    for name, value in changes.items():
        setattr(organization, name, value)


@command
def delete_organization(organization_id: uuid.UUID) -> Organization:
    """Soft-delete: one row. Its people stay as they are and can't sign in from their next request on."""
    organization = locked(queries.by_id(organization_id))
    _delete(organization, now())
    return organization


def _delete(organization: Organization, at: datetime) -> None:
    members().before_delete(organization.id)
    organization.deleted_at = at


def restore_organization(organization_id: uuid.UUID) -> Organization:
    """Bring back; its people can sign in again. Conflict where the slug is another organization's now."""
    with _explaining(organization_id):
        return _restore(organization_id)


@command
def _restore(organization_id: uuid.UUID) -> Organization:
    organization = locked(queries.by_id(organization_id), with_deleted=True)
    organization.deleted_at = None
    return organization


def undo_organization(organization_id: uuid.UUID, version: int) -> Organization:
    """Undo the act that made this version of an organization, under the rules for acts of that kind.

    Missing, Conflict, NotAllowed; history.Superseded where somebody changed the same since.
    """
    with _explaining(organization_id, version):
        return _undo(organization_id, version)


@command
def _undo(organization_id: uuid.UUID, version: int) -> Organization:
    organization = locked(queries.by_id(organization_id), with_deleted=True)
    values = history.undoing(organization, version)
    if "deleted_at" not in values and organization.is_deleted:
        raise Conflict(None, f"{organization.name} is deleted. Restore the organization first.")
    if "deleted_at" in values:
        if not allows(current_actor(), ORGANIZATIONS_DELETE):
            raise NotAllowed
        at = values.pop("deleted_at")
        if at:
            _delete(organization, at)
        else:
            organization.deleted_at = None
    _change(organization, values)
    return organization


@contextmanager
def _explaining(organization_id: uuid.UUID, undone: int = 0) -> Iterator[None]:
    """Say of a slug that stands in the way of an old one whose it is: the row's, or that of before an act."""
    try:
        yield
    except Conflict as conflict:
        row = db.session.scalar(queries.by_id(organization_id), execution_options={"with_deleted": True})
        wanted = {"slug": row.slug if row else "", **history.before(Organization, organization_id, undone)}
        raise explained(conflict, wanted["slug"]) from None


def explained(conflict: Conflict, slug: str) -> Conflict:
    """Say of a taken slug whose it is."""
    if conflict.constraint != "organizations_slug_key":
        return conflict
    holder = db.session.scalar(queries.by_slug(slug))
    message = (
        f"{holder.name} already has this short name. Change one of the two first."
        if holder
        else "This short name is in use."
    )
    return Conflict("slug", message, constraint=conflict.constraint)
