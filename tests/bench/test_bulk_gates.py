"""Changing many people takes a fixed number of statements, however many there are.

PORTAL_TEST_PEOPLE=50000 changes as many at once and shows the seconds with `pytest -s`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from portal.activity.operation_undo import parts_of
from portal.core.actor import Role
from portal.core.bulk import BulkChange, carry_out
from portal.core.clock import now
from portal.core.db import command, db
from portal.demo_data.seed import seed_demo
from portal.resources.bulk_linking import Linking
from portal.teams.models import Team
from portal.teams.resource import members
from portal.users.bulk import SettingPeople
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person
from tests.database import Server, app_for, disconnect
from tests.rounds import rounds

PEOPLE = rounds("PEOPLE", 1_000)
FEW = 10
MOST_STATEMENTS = 24


@pytest.fixture(scope="module")
def portal(database_server: Server, template_database: str) -> Iterator[Flask]:
    app = app_for(database_server.create("bulk", template=template_database), statement_timeout=600)
    with app.app_context():
        seed_demo(people=PEOPLE * 2)
    yield app
    disconnect(app)
    database_server.drop("bulk")


@pytest.fixture(scope="module")
def admin(portal: Flask) -> Person:
    """The ADMIN of the largest organization, which gets PEOPLE more people."""
    build = Builder(portal)
    tenant = build.tenant("Large")
    found = build.person("large@example.com", role=Role.ADMIN, tenant=tenant)
    with acting(portal):
        gather(tenant.id)
    return found


@command
def gather(organization_id: uuid.UUID) -> None:
    ids = db.session.scalars(select(User.id).where(User.role == Role.USER, User.is_active).limit(PEOPLE)).all()
    SettingPeople(users, {"organization_id": organization_id}).apply(ids)
    db.session.add(Team(name="Everybody", organization_id=organization_id))


CHANGES: dict[str, Callable[[], BulkChange]] = {
    "deactivate": lambda: SettingPeople(users, {"is_active": False}),
    "activate": lambda: SettingPeople(users, {"is_active": True}),
    "role": lambda: SettingPeople(users, {"role": Role.ADMIN}),
    "delete": lambda: SettingPeople(users, {"deleted_at": now()}),
    "restore": lambda: SettingPeople(users, {"deleted_at": None}),
    "add to a team": lambda: Linking(
        members, db.session.scalars(select(Team).where(Team.name == "Everybody")).one(), adds=True
    ),
}


def changed(app: Flask, admin: Person, parts: Any) -> tuple[int, float, uuid.UUID]:
    """How many statements it takes, for how long, and the operation."""
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    began = time.perf_counter()
    try:
        verdicts, operation = carry_out(parts, lambda _: True)
    finally:
        event.remove(db.engine, "before_cursor_execute", count)
    assert operation, verdicts
    return len(statements), time.perf_counter() - began, operation


@pytest.mark.parametrize("kind", CHANGES)
def test_many_people_take_as_many_statements_as_few(portal: Flask, admin: Person, kind: str) -> None:
    taken = []
    for many in (FEW, PEOPLE):
        with acting(portal, admin):
            people = select(User.id).where(User.id != admin.id).order_by(User.id).limit(many)
            ids = db.session.scalars(people, execution_options={"with_deleted": True}).all()
            if kind == "restore":
                changed(portal, admin, [(CHANGES["delete"](), ids)])
            if kind == "activate":
                changed(portal, admin, [(CHANGES["deactivate"](), ids)])
            statements, seconds, operation = changed(portal, admin, [(CHANGES[kind](), ids)])
            undo = [(one.change, one.ids) for one in parts_of(operation)]
            undone, undo_seconds, _ = changed(portal, admin, undo)
            if kind in ("restore", "activate"):
                changed(portal, admin, [(CHANGES[kind](), ids)])
        print(f"{kind}: {many:,} people: {statements} statements, {seconds:.2f} s; undo {undone}, {undo_seconds:.2f} s")
        taken.append((statements, undone))
    assert max(map(max, taken)) <= MOST_STATEMENTS + (PEOPLE // 1_000 if kind == "add to a team" else 0)
