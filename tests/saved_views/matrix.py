"""The expected responses of the pages of saved views for each visitor: see tests/access/test_matrix.py."""

from __future__ import annotations

import uuid
from typing import Any

from portal.core.clock import now
from portal.core.db import command, db
from portal.saved_views.models import OPEN, PRIVATE, SavedView
from tests.access.rules import (
    ADMIN_READS,
    ADMIN_RESTORES,
    ADMIN_WRITES,
    NEVER_USER,
    SUPER_ANSWERS,
    SUPER_PURGES,
    SUPER_READS,
    SUPER_RESTORES,
    SUPER_WRITES,
    Body,
    Rule,
    Rules,
    World,
    changed,
    row,
    version,
)
from tests.access.visitor import DONE, FORBIDDEN, NOT_FOUND, PAGE
from tests.acting import acting

ADMIN_EDITS = (PAGE, NOT_FOUND, DONE, NOT_FOUND, NOT_FOUND)
SUPER_EDITS = (PAGE, PAGE, DONE, NOT_FOUND, PAGE)
ADMIN_CONFIRMS = (PAGE, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND)
SUPER_CONFIRMS = (PAGE, PAGE, NOT_FOUND, NOT_FOUND, PAGE)

RULES: Rules = {
    **{
        (f"saved_views.{page}", "GET"): Rule(*NEVER_USER, PAGE, PAGE)
        for page in ("index", "options", "export", "columns", "arrange", "filters", "new")
    },
    ("saved_views.arrange", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("saved_views.selection", "POST"): Rule(*NEVER_USER, PAGE, PAGE),
    ("saved_views.new", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("saved_views.show", "GET"): row(ADMIN_READS, SUPER_READS),
    ("saved_views.edit", "GET"): row(ADMIN_EDITS, SUPER_EDITS),
    ("saved_views.edit", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    ("saved_views.save", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("saved_views.delete", "GET"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("saved_views.delete", "POST"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("saved_views.purge", "GET"): row(FORBIDDEN, SUPER_PURGES),
    ("saved_views.purge", "POST"): row(FORBIDDEN, SUPER_ANSWERS),
    ("saved_views.restore", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    ("saved_views_activity.show", "GET"): row(ADMIN_READS, SUPER_READS),
    ("saved_views_activity.undo", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
}


def row_of(world: World, kind: str) -> uuid.UUID:
    """A new view of this kind, from Acme's point of view: `hidden` is a colleague's private one."""
    tenant = world.birch if kind == "foreign" else world.acme
    owner = world.build.person(f"{uuid.uuid4().hex}@example.com", tenant=tenant).id if kind == "hidden" else None
    made = SavedView(
        id=uuid.uuid4(),
        organization_id=tenant.id,
        owner_id=owner,
        list_name="users",
        name=uuid.uuid4().hex,
        query="role=ADMIN",
        sharing=PRIVATE if owner else OPEN,
        deleted_at=now() if kind == "deleted" else None,
    )

    @command
    def add() -> uuid.UUID:
        db.session.add(made)
        return made.id

    with acting(world.app):
        return add()


def _named(_: World, key: uuid.UUID) -> dict[str, Any]:
    return {"name": key.hex, "sharing": OPEN, "list_name": "users", "query": "role=ADMIN"}


BODIES: dict[str, Body] = {
    "saved_views.selection": lambda world, _: {"action": "delete", "id": str(row_of(world, "own"))},
    "saved_views.new": _named,
    "saved_views.edit": lambda world, key: {"name": key.hex, **version(world, key)},
    "saved_views.save": lambda world, key: {"query": "role=USER", **version(world, key)},
    "saved_views_activity.undo": changed(SavedView, "name"),
}
