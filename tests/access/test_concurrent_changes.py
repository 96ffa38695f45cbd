"""What the system does for an administrator respects concurrent changes."""

from __future__ import annotations

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
from tests.waiting import until

MOVED = text("UPDATE users SET organization_id = (SELECT id FROM organizations WHERE slug = 'birch') WHERE id = :id")
PROMOTED = text("UPDATE users SET role = 'SUPER_ADMIN' WHERE id = :id")
COMMANDS: list[Callable[[uuid.UUID], Any]] = [
    invitations.invite_again,
    invitations.revoke,
    invitations.link_of,
    lambda user_id: devices.end_all(user_id, besides=uuid.uuid4()),
    locks.unlock,
    reset,
]
NAMES = ["invite again", "revoke", "hand over", "end sessions", "unlock", "reset two-factor"]
BLOCKED = text("SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))")


@pytest.mark.parametrize("change", [MOVED, PROMOTED], ids=["moved", "promoted"])
@pytest.mark.parametrize("call", COMMANDS, ids=NAMES)
def test_a_person_who_was_moved_or_promoted_while_an_administrator_waited_is_not_changed(
    fresh_app: Flask, call: Callable[[uuid.UUID], Any], change: Any
) -> None:
    build = Builder(fresh_app)
    acme, _ = build.tenant("Acme"), build.tenant("Birch")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    guest = build.person("guest@example.com", tenant=acme, invited_at=now())

    outcome = error_after(fresh_app, ada, lambda: call(guest.id), lambda other: other.execute(change, {"id": guest.id}))

    assert isinstance(outcome, Missing)
    assert jobs(fresh_app) == []
    assert actions_of(fresh_app, guest) == ["update", "create"]
    assert build.read(User, guest.id).version == 2


def error_after(
    app: Flask, person: Person, call: Callable[[], Any], change: Callable[[Connection], object]
) -> Exception | None:
    """The error of a call that waited for a concurrent change to commit."""

    def as_person() -> None:
        with acting(app, person):
            call()

    with app.app_context(), ThreadPoolExecutor(1) as pool:
        with db.engine.begin() as other:
            change(other)
            running = pool.submit(as_person)
            wait_until_blocked_by(other)
        error = running.exception(timeout=60)
    assert error is None or isinstance(error, Exception)
    return error


def wait_until_blocked_by(connection: Connection) -> None:
    until(lambda: connection.execute(BLOCKED).first() is not None, "nothing is blocked")


def actions_of(app: Flask, person: Person) -> list[str]:
    with acting(app):
        events = select(Activity.action).where(Activity.row_id == person.id).order_by(Activity.id.desc())
        return list(db.session.scalars(events))
