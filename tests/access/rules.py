"""How the answers of an endpoint are written down, for each visitor and each kind of row: see test_matrix.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select

from portal.core.db import command, db
from tests.access.visitor import CLASH, DONE, GONE, NO, PAGE, SIGN_IN, Visitor
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

Row = tuple[str, str, str, str, str]
KINDS = ("own", "foreign", "deleted", "random", "hidden")
VISITORS = ("anonymous", "user", "admin", "super")
PUBLIC = (PAGE, PAGE, PAGE, PAGE)
NEVER_USER = (SIGN_IN, NO)


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
    return Rule(SIGN_IN, NO, admin, everything)


#                        own    foreign deleted random hidden
ADMIN_READS = (PAGE, GONE, PAGE, GONE, GONE)
ADMIN_ASKED = (PAGE, GONE, GONE, GONE, GONE)
ADMIN_WRITES = (DONE, GONE, GONE, GONE, GONE)
ADMIN_RESTORES = (DONE, GONE, DONE, GONE, GONE)
SUPER_READS = (PAGE, PAGE, PAGE, GONE, PAGE)
SUPER_ASKED = (PAGE, PAGE, GONE, GONE, PAGE)
SUPER_WRITES = (DONE, DONE, GONE, GONE, DONE)
SUPER_RESTORES = (DONE, DONE, DONE, GONE, DONE)
# Whoever has a password has nothing to accept; what invitations do is in tests/users/test_invitations.py.
ADMIN_CLASHES = (CLASH, GONE, GONE, GONE, GONE)
SUPER_CLASHES = (CLASH, CLASH, GONE, GONE, CLASH)
TENANT_READ = (PAGE, GONE, GONE, GONE, GONE)


@dataclass
class World:
    """Two tenants, somebody of each role, and rows to try things on."""

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
    """Change a row, deleted ones too, for somebody to undo."""

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
