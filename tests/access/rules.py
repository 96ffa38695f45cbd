"""How the responses of an endpoint are described, for each visitor and each kind of row: see test_matrix.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select

from portal.core.db import command, db
from tests.access.visitor import CONFLICT, DONE, FORBIDDEN, INVALID, NOT_FOUND, PAGE, SIGN_IN, Visitor
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

Row = tuple[str, str, str, str, str]
KINDS = ("own", "foreign", "deleted", "random", "hidden")
VISITORS = ("anonymous", "user", "admin", "super")
PUBLIC = (PAGE, PAGE, PAGE, PAGE)
NEVER_USER = (SIGN_IN, FORBIDDEN)


@dataclass(frozen=True)
class Rule:
    """The expected outcome for each visitor; for rows a tuple, one outcome for each kind of row."""

    anonymous: str
    user: str
    admin: str | Row
    super: str | Row

    def of(self, visitor: str, kind: str) -> str:
        expected: str | Row = getattr(self, visitor)
        return expected if isinstance(expected, str) else expected[KINDS.index(kind)]


def row(admin: Row | str, everything: Row) -> Rule:
    return Rule(SIGN_IN, FORBIDDEN, admin, everything)


#                        own    foreign deleted random hidden
ADMIN_READS = (PAGE, NOT_FOUND, PAGE, NOT_FOUND, NOT_FOUND)
ADMIN_CONFIRMS = (PAGE, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND)
ADMIN_WRITES = (DONE, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND)
ADMIN_RESTORES = (DONE, NOT_FOUND, DONE, NOT_FOUND, NOT_FOUND)
SUPER_READS = (PAGE, PAGE, PAGE, NOT_FOUND, PAGE)
SUPER_CONFIRMS = (PAGE, PAGE, NOT_FOUND, NOT_FOUND, PAGE)
SUPER_WRITES = (DONE, DONE, NOT_FOUND, NOT_FOUND, DONE)
SUPER_RESTORES = (DONE, DONE, DONE, NOT_FOUND, DONE)
# People with a password can't be invited. Invitations are tested in tests/users/test_invitations.py.
ADMIN_CONFLICTS = (CONFLICT, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND)
SUPER_CONFLICTS = (CONFLICT, CONFLICT, NOT_FOUND, NOT_FOUND, CONFLICT)
# What isn't deleted has to be deleted first; otherwise the name has to be typed.
SUPER_PURGES = (DONE, DONE, PAGE, NOT_FOUND, DONE)
SUPER_ANSWERS = (DONE, DONE, INVALID, NOT_FOUND, DONE)
TENANT_READS = (PAGE, NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND)


@dataclass
class World:
    """Two tenants, a person of each role, and rows to try things on."""

    app: Flask
    build: Builder
    acme: Tenant
    birch: Tenant
    people: Mapping[str, Person | None]

    def visitor(self, name: str) -> Visitor:
        return Visitor(self.app, self.people[name])


Body = Callable[["World", uuid.UUID], dict[str, Any]]
Rules = dict[tuple[str, str], Rule]


def changed(model: type[Any], column: str) -> Body:
    """Change a row, deleted or not, so that the change can be undone."""

    @command
    def change(key: uuid.UUID) -> None:
        for row in db.session.scalars(select(model).where(model.id == key), execution_options={"with_deleted": True}):
            setattr(row, column, f"Changed {uuid.uuid4().hex}")

    def body(world: World, key: uuid.UUID) -> dict[str, Any]:
        with acting(world.app):
            change(key)
        row = world.build.read(model, key)
        return {"version": str(row.version) if row else "2"}

    return body


def version(_world: World, _key: uuid.UUID) -> dict[str, Any]:
    return {"version": "1", "base": "{}"}
