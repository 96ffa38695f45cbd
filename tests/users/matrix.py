"""The expected responses of the people pages for each visitor: see tests/access/test_matrix.py."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.tokens.commands import Lifetime, add_session
from portal.users.models import User
from tests.access.rules import (
    ADMIN_CONFIRMS,
    ADMIN_CONFLICTS,
    ADMIN_READS,
    ADMIN_RESTORES,
    ADMIN_WRITES,
    NEVER_USER,
    SUPER_ANSWERS,
    SUPER_CONFIRMS,
    SUPER_CONFLICTS,
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

HOUR = Lifetime(timedelta(hours=1), timedelta(hours=1))

RULES: Rules = {
    ("users.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.options", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.export", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.columns", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.arrange", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.arrange", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("users.filters", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.selection", "POST"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.new", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("users.new", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("users.show", "GET"): row(ADMIN_READS, SUPER_READS),
    ("users.edit", "GET"): row((PAGE, NOT_FOUND, DONE, NOT_FOUND, NOT_FOUND), (PAGE, PAGE, DONE, NOT_FOUND, PAGE)),
    ("users.edit", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    ("users.deactivation", "GET"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("users.deactivation", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.cancel_activation", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.cancel_expiry", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.password_reset", "GET"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("users.password_reset", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.invitation", "POST"): row(ADMIN_CONFLICTS, SUPER_CONFLICTS),
    ("users.revocation", "GET"): row(ADMIN_CONFLICTS, SUPER_CONFLICTS),
    ("users.revocation", "POST"): row(ADMIN_CONFLICTS, SUPER_CONFLICTS),
    ("users.invitation_link", "POST"): row(ADMIN_CONFLICTS, SUPER_CONFLICTS),
    ("users.verification", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.cancellation", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.mfa_reset", "GET"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("users.mfa_reset", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.unlock", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.end_session", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.end_sessions", "POST"): row(ADMIN_WRITES, SUPER_WRITES),
    ("users.delete", "GET"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("users.delete", "POST"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("users.data", "GET"): row(ADMIN_READS, SUPER_READS),
    ("users.purge", "GET"): row(FORBIDDEN, SUPER_PURGES),
    ("users.purge", "POST"): row(FORBIDDEN, SUPER_ANSWERS),
    ("users.restore", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    ("users_activity.follow", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    ("users_activity.show", "GET"): row(ADMIN_READS, SUPER_READS),
    ("users_activity.undo", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),  # deleted people must be restored first
}


def row_of(world: World, kind: str) -> uuid.UUID:
    """A new row of this kind, from Acme's point of view."""
    email = f"{kind}-{uuid.uuid4().hex}@example.com"
    gone = now() if kind == "deleted" else None
    role = Role.SUPER_ADMIN if kind == "hidden" else Role.USER
    tenant = world.birch if kind == "foreign" else world.acme
    return world.build.person(email, role=role, tenant=tenant, deleted_at=gone).id


def _edited(world: World, key: uuid.UUID) -> dict[str, Any]:
    """Keep the role, because a change would need confirmation: tests/users/test_consequences.py."""
    with acting(world.app):
        role = db.session.scalar(select(User.role).where(User.id == key)) or Role.USER
    return {"email": f"{key.hex}@example.com", "role": role.name, "is_active": "true", **version(world, key)}


def session_body(world: World, key: uuid.UUID) -> dict[str, Any]:
    """A session of this person, or of somebody else if they don't exist."""
    person = key if world.build.read(User, key) else world.build.person(f"{key.hex}@example.com").id
    with acting(world.app):
        return {"session": command(add_session)(person, None, now(), lifetime=HOUR, token=key.hex)}


BODIES: dict[str, Body] = {
    "users.selection": lambda world, _: {"action": "deactivate", "id": str(row_of(world, "own"))},
    "users.end_session": session_body,
    "users.new": lambda _world, key: {"email": f"{key.hex}@example.com", "role": "USER", "is_active": "true"},
    "users.edit": _edited,
    "users_activity.undo": changed(User, "first_name"),
}
