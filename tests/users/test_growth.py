"""People and sign-ins by day and month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.users.commands import users
from portal.users.growth import add_sign_in, growth, remove_old
from tests.acting import acting, run_concurrently
from tests.cast import Builder, Person, Tenant


def test_each_day_counts_new_people_and_how_many_there_were(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person
) -> None:
    at = now()
    build.person("old@example.com", tenant=acme, created_at=at - timedelta(days=200))
    build.person("gone@example.com", tenant=acme, created_at=at - timedelta(days=9), deleted_at=at - timedelta(days=4))
    build.person("new@example.com", tenant=acme, created_at=at - timedelta(days=2))
    build.person("theirs@example.com", tenant=birch, created_at=at - timedelta(days=2))
    build.person("hidden@example.com", tenant=acme, role=Role.SUPER_ADMIN, created_at=at - timedelta(days=2))
    with acting(app):
        mine, every = growth(acme.id, by_day=True), growth(None, by_day=True)
        months = growth(acme.id, by_day=False)

    assert (mine.begins[-1], len(mine.begins)) == (at.date(), 30)
    assert mine.added[-10:] == [1, 0, 0, 0, 0, 0, 0, 1, 0, 1], "ada is new today"
    assert mine.people[-11:] == [1, 2, 2, 2, 2, 2, 1, 1, 2, 2, 3]
    assert every.added[-3] == 3
    assert (every.people[-1], months.people[-1]) == (5, 3)
    assert (len(months.begins), months.begins[-1]) == (12, at.date().replace(day=1))
    assert months.people[0] == 0


def test_people_who_come_and_go_count_where_they_are(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, uma: Person
) -> None:
    def people() -> tuple[int, int, int]:
        with acting(app):
            return tuple(growth(place, by_day=True).people[-1] for place in (None, acme.id, birch.id))  # type: ignore[return-value]

    assert people() == (1, 1, 0)
    with acting(app):
        users.update(uma.id, 1, {"organization_id": birch.id})
    assert people() == (1, 0, 1)
    with acting(app):
        users.delete(uma.id)
    assert people() == (0, 0, 0)
    with acting(app):
        users.restore(uma.id)
    assert people() == (1, 0, 1)
    with acting(app):
        db.session.execute(text("DELETE FROM organizations WHERE id = :id"), {"id": birch.id})
        db.session.commit()
        assert db.session.scalar(text("SELECT count(*) FROM daily_totals WHERE organization_id IS NOT NULL")) > 0
    assert people() == (1, 0, 0)


@pytest.mark.parametrize("who", ["ada", "uma"])
def test_only_administrators_see_numbers_and_only_their_own(
    app: Flask, acme: Tenant, birch: Tenant, ada: Person, uma: Person, bea: Person, who: str
) -> None:
    with acting(app, {"ada": ada, "uma": uma}[who]):
        mine = growth(acme.id, by_day=True)
        others = [growth(place, by_day=True) for place in (birch.id, None)]

    assert mine.added[-1] == (2 if who == "ada" else 0)
    assert [sum(one.added) + one.people[-1] for one in others] == [0, 0]


def test_concurrent_sign_ins_are_all_counted(fresh_app: Flask) -> None:
    acme = Builder(fresh_app).tenant("Acme")

    @command
    def sign_in() -> None:
        add_sign_in(acme.id)

    assert run_concurrently(fresh_app, [sign_in] * 4) == [None] * 4

    with acting(fresh_app):
        assert (growth(acme.id, by_day=True).sign_ins[-1], growth(None, by_day=False).sign_ins[-1]) == (4, 4)


def test_old_numbers_are_removed(app: Flask, build: Builder, acme: Tenant) -> None:
    build.person("old@example.com", tenant=acme, created_at=datetime(2020, 5, 17, tzinfo=UTC))
    with acting(app):
        days = "SELECT day::text FROM daily_totals WHERE added = 1 ORDER BY organization_id IS NULL"
        assert db.session.scalars(text(days)).all() == ["2020-05-01"] * 2, "months, of long ago"
        db.session.rollback()
        assert remove_old(now() - timedelta(days=400)) == 2
