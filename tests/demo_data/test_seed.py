"""The demo data is realistic, complete and reproducible."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import db
from portal.core.history import Activity
from portal.demo import DEMO_ACCOUNTS, DEMO_PASSWORD
from portal.demo_data import seed
from portal.features import RESOURCES
from portal.organizations.models import Organization
from portal.users import passwords
from portal.users.commands import users
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting, portal_on
from tests.database import Server

PEOPLE = 2_000


def rows(app: Flask, *columns: Any) -> list[Any]:
    with acting(app):
        return list(db.session.execute(select(*columns), execution_options={"with_deleted": True}))


@pytest.fixture
def seeded(fresh_app: Flask) -> Flask:
    with fresh_app.app_context():
        made = seed.seed_demo(PEOPLE)
    assert (made["organizations"], made["people"]) == (20, PEOPLE)
    return fresh_app


def test_the_demo_is_the_same_on_two_databases(seeded: Flask, database_server: Server, template_database: str) -> None:
    person = (User.email, User.first_name, User.last_name, User.role, User.is_active, Organization.name)
    query = select(*person).outerjoin(Organization, Organization.id == User.organization_id).order_by(User.email)
    organizations = select(Organization.name, Organization.slug).order_by(Organization.slug)
    with portal_on(database_server.create("second", template=template_database)) as second:
        with second.app_context():
            seed.seed_demo(PEOPLE)
        found = []
        for app in (seeded, second):
            with acting(app):
                options = {"with_deleted": True}
                found.append(
                    [list(db.session.execute(one, execution_options=options)) for one in (query, organizations)]
                )
    database_server.drop("second")

    assert found[0] == found[1]
    assert len(found[0][0]) == PEOPLE


def test_the_demo_accounts_sign_in_with_the_demo_password(seeded: Flask) -> None:
    emails = [email for _, email in DEMO_ACCOUNTS]
    found = {
        email: (role, password, active, must)
        for email, role, password, active, must in rows(
            seeded, User.email, User.role, User.password, User.is_active, User.must_change_password
        )
        if password
    }

    assert set(found) == set(emails)
    assert [found[email][0] for email in emails] == [Role.SUPER_ADMIN, Role.ADMIN, Role.USER]
    assert {(active, must) for _, _, active, must in found.values()} == {(True, False)}
    with seeded.app_context():
        assert all(passwords.verify(DEMO_PASSWORD, password).correct for _, password, _, _ in found.values())


def test_people_have_varied_names_and_unique_emails(seeded: Flask) -> None:
    found = rows(seeded, User.first_name, User.last_name, User.email)

    assert all(one.first_name and one.last_name for one in found)
    assert len({one.email for one in found}) == PEOPLE
    assert all(one.email.isascii() and one.email == one.email.lower() for one in found)
    most = Counter((one.first_name, one.last_name) for one in found).most_common(1)[0][1]
    assert most <= PEOPLE // 50


def test_every_organization_has_people_and_an_administrator(seeded: Flask) -> None:
    with acting(seeded):
        organizations = set(db.session.scalars(select(Organization.id)))
        administered = set(db.session.scalars(select(User.organization_id).where(User.role == Role.ADMIN)))

    assert len(organizations) >= 12
    assert organizations <= administered


def test_the_demo_contains_every_state_that_a_list_can_show(seeded: Flask) -> None:
    found = rows(seeded, User.is_active, User.email_verified, User.deleted_at, User.role)

    for states in ({one.is_active for one in found}, {one.email_verified for one in found}):
        assert states == {True, False}
    assert PEOPLE * 0.01 < sum(bool(one.deleted_at) for one in found) < PEOPLE * 0.1
    assert {one.role for one in found} == set(Role)
    inactive = sum(not one.is_active for one in found)
    assert PEOPLE * 0.01 < inactive < PEOPLE * 0.1


def test_nobody_was_created_or_deleted_in_the_future(seeded: Flask) -> None:
    found = rows(seeded, User.created_at, User.deleted_at)

    assert all(one.created_at <= now() for one in found)
    assert all(one.created_at <= one.deleted_at <= now() for one in found if one.deleted_at)
    assert len({one.created_at.date() for one in found}) > 200


def test_keys_are_in_order_of_creation(seeded: Flask) -> None:
    found = rows(seeded, User.id, User.created_at)

    by_key = [one.created_at for one in sorted(found, key=lambda one: one.id)]
    late = sum((one - other).total_seconds() > 1 for one, other in zip(by_key, by_key[1:], strict=False))
    assert late == 0


def test_a_demo_that_fails_halfway_leaves_nothing(fresh_app: Flask) -> None:
    def failing(rows: Any) -> Any:
        for number, row in enumerate(rows):
            if number == 50:
                raise RuntimeError
            yield row

    with fresh_app.app_context():
        with pytest.raises(RuntimeError):
            seed.seed_demo(100, progress=failing)

        assert seed.is_empty()
    assert rows(fresh_app, func.count(Organization.id)) == [(0,)]


def test_last_sign_ins_are_realistic(seeded: Flask) -> None:
    found = rows(seeded, User.created_at, User.deleted_at, User.last_sign_in_at)

    seen = [one for one in found if one.last_sign_in_at]
    assert PEOPLE * 0.05 < PEOPLE - len(seen) < PEOPLE * 0.12
    assert all(one.created_at <= one.last_sign_in_at <= (one.deleted_at or now()) for one in seen)
    lately = sum(one.last_sign_in_at > now() - timedelta(days=30) for one in seen)
    assert PEOPLE * 0.4 < lately < PEOPLE * 0.9


@pytest.mark.parametrize("people", [10, 200, PEOPLE])
def test_demos_of_every_size_have_invitations_in_every_state(fresh_app: Flask, people: int) -> None:
    with fresh_app.app_context():
        assert seed.seed_demo(people)["people"] == people
    found = rows(fresh_app, User)
    states = Counter(person.invitation for (person,) in found)
    waiting = [person for (person,) in found if person.invited_at]

    assert states["pending"] >= 3
    assert min(states["expired"], states["revoked"]) >= 1
    assert len(waiting) == people - states[None] <= max(8, people // 20)
    for person in waiting:
        assert (person.is_active, person.email_verified, person.last_sign_in_at) == (True, False, None)
        assert person.created_at == person.invited_at <= (person.revoked_at or now()) <= now()


def test_the_demo_data_and_its_history_are_consistent(seeded: Flask) -> None:
    changed = func.coalesce(User.deleted_at, User.revoked_at, User.created_at)
    with acting(seeded):
        (event,) = db.session.scalars(select(Activity))
        contradicting = select(func.count(User.id)).where((User.updated_at != changed) | (User.version != 1))
        assert db.session.scalar(contradicting, execution_options={"with_deleted": True}) == 0
        gone = func.coalesce(Organization.deleted_at, Organization.created_at)
        contradicting = select(func.count(Organization.id)).where(Organization.updated_at != gone)
        assert db.session.scalar(contradicting, execution_options={"with_deleted": True}) == 0

    assert (event.action, event.row_id, event.actor_role) == ("seed", None, "SYSTEM")
    assert event.changes is not None
    assert (event.changes["organizations"], event.changes["people"]) == ([None, "20"], [None, "2,000"])
    assert set(event.changes) == {one.plural for one in RESOURCES.values()}


def test_changes_to_demo_people_are_recorded_as_usual(seeded: Flask) -> None:
    with acting(seeded):
        mila = db.session.scalars(select(User).where(User.first_name == "Mila").limit(1)).one()
        users.update(mila.id, 1, {"last_name": "Berg"})

        (event,) = db.session.scalars(select(Activity).where(Activity.row_id == mila.id))
        assert (event.action, event.row_version, list(event.changes or {})) == ("update", 2, ["last_name"])
        assert db.session.scalars(select(User).where(User.id == mila.id)).one().updated_at > now() - timedelta(hours=1)


def test_searching_the_history_for_a_name_does_not_list_the_seeding(seeded: Flask) -> None:
    visitor = Visitor(seeded, SimpleNamespace(email=DEMO_ACCOUNTS[0][1], password=DEMO_PASSWORD))  # type: ignore[arg-type]

    assert "added the demo data" in visitor.get("/activity/").text
    assert "added the demo data" not in visitor.get("/activity/?q=mila").text
