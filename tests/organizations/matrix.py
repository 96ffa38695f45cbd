"""The expected responses of the organization pages for each visitor: see tests/access/test_matrix.py."""

from __future__ import annotations

import uuid
from typing import Any

from portal.core.clock import now
from portal.organizations.models import Organization
from tests.access.rules import (
    ADMIN_CONFIRMS,
    ADMIN_WRITES,
    NEVER_USER,
    SUPER_ANSWERS,
    SUPER_CONFIRMS,
    SUPER_PURGES,
    SUPER_READS,
    SUPER_RESTORES,
    SUPER_WRITES,
    TENANT_READS,
    Body,
    Rule,
    Rules,
    World,
    changed,
    row,
)
from tests.access.visitor import DONE, FORBIDDEN, NOT_FOUND, PAGE

RULES: Rules = {
    ("organizations.index", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("organizations.options", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("organizations.export", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("organizations.columns", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("organizations.arrange", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("organizations.arrange", "POST"): Rule(*NEVER_USER, FORBIDDEN, DONE),
    ("organizations.filters", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("organizations.selection", "POST"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("organizations.new", "GET"): Rule(*NEVER_USER, FORBIDDEN, PAGE),
    ("organizations.new", "POST"): Rule(*NEVER_USER, FORBIDDEN, DONE),
    ("organization_slugs.show", "GET"): Rule(*NEVER_USER, DONE, DONE),
    ("organizations.show", "GET"): row(TENANT_READS, SUPER_READS),
    ("organizations.edit", "GET"): row(ADMIN_CONFIRMS, (PAGE, PAGE, DONE, NOT_FOUND, PAGE)),
    ("organizations.edit", "POST"): row(ADMIN_WRITES, SUPER_RESTORES),
    ("organizations.settings", "GET"): row(ADMIN_CONFIRMS, (PAGE, PAGE, DONE, NOT_FOUND, PAGE)),
    ("organizations.settings", "POST"): row(ADMIN_WRITES, SUPER_RESTORES),
    ("organizations.delete", "GET"): row(FORBIDDEN, SUPER_CONFIRMS),
    ("organizations.delete", "POST"): row(FORBIDDEN, SUPER_CONFIRMS),
    ("organizations.purge", "GET"): row(FORBIDDEN, SUPER_PURGES),
    ("organizations.purge", "POST"): row(FORBIDDEN, SUPER_ANSWERS),
    ("organizations.restore", "POST"): row(FORBIDDEN, SUPER_RESTORES),
    ("inactivity.edit", "GET"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("inactivity.edit", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("organizations_activity.follow", "POST"): row(ADMIN_WRITES, SUPER_RESTORES),
    ("organizations_activity.show", "GET"): row(TENANT_READS, SUPER_READS),
    ("organizations_activity.undo", "POST"): row(ADMIN_WRITES, SUPER_RESTORES),
}


def row_of(world: World, kind: str) -> uuid.UUID:
    """A row of this kind, from Acme's point of view."""
    if kind == "own":
        return world.acme.id
    gone = now() if kind == "deleted" else None
    return world.build.tenant(f"Tenant {uuid.uuid4().hex}", deleted_at=gone).id


def _edited(_world: World, key: uuid.UUID) -> dict[str, Any]:
    return {"name": "Renamed", "slug": f"renamed-{key.hex}", "version": "1"}


BODIES: dict[str, Body] = {
    "organizations.selection": lambda world, _: {"action": "delete", "id": str(world.acme.id)},
    "organizations.new": lambda _world, key: {"name": "Fresh", "slug": f"fresh-{key.hex}"},
    "organizations.edit": _edited,
    "organizations.settings": lambda _world, _key: {"version": "1"},
    "organizations_activity.undo": changed(Organization, "name"),
}
