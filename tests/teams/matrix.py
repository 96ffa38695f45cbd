"""The expected responses of the team pages for each visitor: see tests/access/test_matrix.py."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import select

from portal.core.clock import now
from portal.core.db import command, db
from portal.teams.models import Team, TeamMember
from portal.users.models import User
from tests.access.rules import (
    ADMIN_READS,
    ADMIN_RESTORES,
    NEVER_USER,
    SUPER_ANSWERS,
    SUPER_PURGES,
    SUPER_READS,
    SUPER_RESTORES,
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
from tests.users import matrix as people

ADMIN_EDITS = (PAGE, NOT_FOUND, DONE, NOT_FOUND, NOT_FOUND)
SUPER_EDITS = (PAGE, PAGE, DONE, NOT_FOUND, PAGE)
ADMIN_CONFIRMS = (PAGE, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND)
SUPER_CONFIRMS = (PAGE, PAGE, NOT_FOUND, NOT_FOUND, PAGE)

RULES: Rules = {
    ("teams.index", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("teams.options", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("teams.export", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("teams.columns", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("teams.arrange", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("teams.arrange", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("teams.filters", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("teams.selection", "POST"): Rule(*NEVER_USER, PAGE, PAGE),
    ("teams.new", "GET"): Rule(*NEVER_USER, PAGE, PAGE),
    ("teams.new", "POST"): Rule(*NEVER_USER, DONE, DONE),
    ("teams.show", "GET"): row(ADMIN_READS, SUPER_READS),
    ("teams.edit", "GET"): row(ADMIN_EDITS, SUPER_EDITS),
    ("teams.edit", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    ("teams.delete", "GET"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("teams.delete", "POST"): row(ADMIN_CONFIRMS, SUPER_CONFIRMS),
    ("teams.purge", "GET"): row(FORBIDDEN, SUPER_PURGES),
    ("teams.purge", "POST"): row(FORBIDDEN, SUPER_ANSWERS),
    ("teams.restore", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    ("teams_activity.show", "GET"): row(ADMIN_READS, SUPER_READS),
    ("teams_activity.undo", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES),
    **{
        (f"team_members.{side}_{name}", "POST"): row(ADMIN_RESTORES, SUPER_RESTORES)
        for side in ("teams", "users")
        for name in ("enter", "remove", "undo")
    },
    **{(f"team_members.{side}_enter", "GET"): row(ADMIN_RESTORES, SUPER_RESTORES) for side in ("teams", "users")},
}
ROWS = dict.fromkeys((f"team_members.users_{name}" for name in ("enter", "remove", "undo")), people.row_of)


def team(world: World, name: str, organization_id: uuid.UUID, **values: Any) -> uuid.UUID:
    """Add a team."""
    row = Team(id=uuid.uuid4(), name=name, organization_id=organization_id, **values)

    @command
    def add() -> uuid.UUID:
        db.session.add(row)
        return row.id

    with acting(world.app):
        return add()


def row_of(world: World, kind: str) -> uuid.UUID:
    """A new team of this kind, from Acme's point of view. Acme can't have hidden teams: `hidden` is one of Birch's."""
    tenant = world.birch if kind in ("foreign", "hidden") else world.acme
    return team(world, uuid.uuid4().hex, tenant.id, deleted_at=now() if kind == "deleted" else None)


def member(world: World, key: uuid.UUID) -> uuid.UUID:
    """A person in the team."""
    found = world.build.read(Team, key)
    tenant = world.birch if found and found.organization_id == world.birch.id else world.acme
    person = world.build.person(f"{uuid.uuid4().hex}@example.com", tenant=tenant).id
    if found and not found.is_deleted:
        link(world, key, person, tenant.id)
    return person


def link(world: World, team_id: uuid.UUID, user_id: uuid.UUID, organization_id: uuid.UUID) -> None:
    @command
    def add() -> None:
        db.session.add(TeamMember(team_id=team_id, user_id=user_id, organization_id=organization_id))

    with acting(world.app):
        add()


def _joined(world: World, key: uuid.UUID) -> uuid.UUID:
    """A team that the person is in."""
    person = world.build.read(User, key)
    organization_id = person.organization_id if person else world.acme.id
    joined = team(world, uuid.uuid4().hex, organization_id)
    if person and not person.is_deleted:
        link(world, joined, key, organization_id)
    return joined


def _named(world: World, key: uuid.UUID) -> dict[str, Any]:
    with acting(world.app):
        email = db.session.scalars(select(User.email).where(User.id == member(world, key))).one()
    return {"row": email}


BODIES: dict[str, Body] = {
    "teams.selection": lambda world, _: {"action": "delete", "id": str(row_of(world, "own"))},
    "teams.new": lambda world, key: {"name": key.hex, "organization_id": world.acme.slug},
    "teams.edit": lambda world, key: {"name": key.hex, **version(world, key)},
    "teams_activity.undo": changed(Team, "name"),
    "team_members.teams_enter": _named,
    "team_members.users_enter": lambda world, key: {"row": str(_joined(world, key))},
    "team_members.users_undo": lambda world, key: {"member_added": str(_joined(world, key))},
    "team_members.users_remove": lambda world, key: {"key": str(_joined(world, key))},
    "team_members.teams_undo": lambda world, key: {"member_added": str(member(world, key))},
    "team_members.teams_remove": lambda world, key: {"key": str(member(world, key))},
}
