"""Clock jumps of a day and servers in other time zones do no harm."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from portal.config import ROOT
from portal.core import clock
from portal.core.actor import Role
from portal.core.db import db
from portal.tokens.models import Session
from tests.acting import acting, portal_on
from tests.cast import Builder, page_client
from tests.pages import PageClient

USERS_OF_THE_CLOCK = (
    "activity.seals", "activity.entries", "activity.views", "auth.commands", "core.records",
    "dashboard.views", "tokens.commands", "tokens.queries", "users.commands", "web.jinja",
)  # fmt: skip
PAGES = ("/", "/users/", "/organizations/", "/activity/", "/account/")
DAY = timedelta(days=1)


class Clock:
    """The portal's clock with an adjustable offset."""

    offset = timedelta()

    def now(self) -> datetime:
        return clock.now() + self.offset


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> Clock:
    chosen = Clock()
    for name in USERS_OF_THE_CLOCK:
        monkeypatch.setattr(f"portal.{name}.now", chosen.now)
    return chosen


@pytest.fixture
def app_here(fresh_database: str) -> Iterator[Flask]:
    with portal_on(fresh_database, idle_hours=8, guesses_per_account=4) as app:
        yield app


def statuses(client: PageClient) -> set[int]:
    return {client.get(path).status_code for path in PAGES}


def ends_of(app: Flask) -> list[datetime]:
    with acting(app):
        return list(db.session.scalars(select(Session.ends_at).order_by(Session.created_at)))


def test_re15_a_forward_jump_ends_idle_sessions_and_people_can_sign_in_again(app_here: Flask, jumping: Clock) -> None:
    root = Builder(app_here).person("root@example.com", role=Role.SUPER_ADMIN)
    client = page_client(app_here, root)

    jumping.offset = DAY

    assert client.get("/users/").status_code == 303
    assert statuses(page_client(app_here, root)) == {200}


def test_re15_a_backward_jump_causes_no_errors_and_extends_no_session(app_here: Flask, jumping: Clock) -> None:
    root = Builder(app_here).person("root@example.com", role=Role.SUPER_ADMIN)
    client = page_client(app_here, root)
    before = ends_of(app_here)

    jumping.offset = -DAY
    during = statuses(client)
    jumping.offset = timedelta(hours=9)
    after = client.get("/users/").status_code

    assert during == {200}
    assert ends_of(app_here) == before
    assert after == 303


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "backward"])
def test_re15_a_jump_does_not_reset_the_rate_limit(app_here: Flask, jumping: Clock, jump: timedelta) -> None:
    root = Builder(app_here).person("root@example.com", role=Role.SUPER_ADMIN)
    client = page_client(app_here)
    guesses = [client.send("/login", {"email": root.email, "password": "wrong" * 4}).status_code for _ in range(6)]

    jumping.offset = jump

    assert guesses[-1] == 429
    assert client.send("/login", {"email": root.email, "password": root.password}).status_code == 429


def test_re15_a_server_in_another_time_zone_stores_the_same_times() -> None:
    code = "from portal.core.clock import now; print(now().timestamp())"
    times = [
        subprocess.run(  # noqa: S603
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "TZ": zone}, capture_output=True, check=True
        ).stdout
        for zone in ("UTC", "Pacific/Kiritimati", "America/Los_Angeles")
    ]

    assert max(map(float, times)) - min(map(float, times)) < 60
