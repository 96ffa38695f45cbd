"""Does what the system does for an administrator respect concurrent changes?"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Connection, select, text

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.errors import Missing
from portal.core.history import Activity
from portal.users import devices, invitations, locks
from portal.users.mfa_resets import reset
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person
from tests.mailbox import jobs

MOVED = text("UPDATE users SET organization_id = (SELECT id FROM organizations WHERE slug = 'birch') WHERE id = :whom")
PROMOTED = text("UPDATE users SET role = 'SUPER_ADMIN' WHERE id = :whom")
ACTS: list[Callable[[uuid.UUID], Any]] = [
    invitations.invite_again,
    invitations.revoke,
    invitations.link_of,
    lambda user_id: devices.end_all(user_id, besides=uuid.uuid4()),
    locks.unlock,
    reset,
]
NAMES = ["invite again", "revoke", "hand over", "end sessions", "unlock", "reset two-factor"]
SOMEBODY_WAITS = text("SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))")


@pytest.mark.parametrize("change", [MOVED, PROMOTED], ids=["moved", "promoted"])
@pytest.mark.parametrize("act", ACTS, ids=NAMES)
def test_a_person_who_left_the_tenant_while_an_administrator_waited_is_not_changed(
    fresh_app: Flask, act: Callable[[uuid.UUID], Any], change: Any
) -> None:
    build = Builder(fresh_app)
    acme, _ = build.tenant("Acme"), build.tenant("Birch")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    guest = build.person("guest@example.com", tenant=acme, invited_at=now())

    outcome = overtaken(fresh_app, ada, lambda: act(guest.id), lambda other: other.execute(change, {"whom": guest.id}))

    assert isinstance(outcome, Missing)
    assert jobs(fresh_app) == []
    assert told(fresh_app, guest) == ["update", "create"]
    assert build.read(User, guest.id).version == 2


def overtaken(
    app: Flask, person: Person, act: Callable[[], Any], change: Callable[[Connection], object]
) -> Exception | None:
    """What a change finds that waited for another connection's commit."""

    def as_person() -> None:
        with acting(app, person):
            act()

    with app.app_context(), ThreadPoolExecutor(1) as apart:
        with db.engine.begin() as other:
            change(other)
            running = apart.submit(as_person)
            until_somebody_waits_for(other)
        error = running.exception(timeout=30)
    assert error is None or isinstance(error, Exception)
    return error


def until_somebody_waits_for(connection: Connection) -> None:
    deadline = time.monotonic() + 20
    while connection.execute(SOMEBODY_WAITS).first() is None:
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)


def told(app: Flask, person: Person) -> list[str]:
    with acting(app):
        events = select(Activity.action).where(Activity.row_id == person.id).order_by(Activity.id.desc())
        return list(db.session.scalars(events))
