"""Creating, changing, deleting and restoring people, one at a time and concurrently."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import ProgrammingError

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import Conflict, Missing, NotAllowed, Stale
from portal.core.keys import uuid7
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.tokens.commands import Lifetime, add_session, open_session
from portal.tokens.models import Session
from portal.tokens.queries import live_of
from portal.users import commands, passwords, queries, resets
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting, outcomes_of, run_concurrently
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.database import disconnect
from tests.mailbox import jobs
from tests.rounds import rounds

THREADS = 20
ROUNDS = rounds("ROUNDS", 15)
MANY_ROUNDS = max(ROUNDS, 100)  # for quick ones
WEEK = Lifetime(timedelta(days=7), timedelta(days=7))


def values(email: str = "new@example.com", **more: Any) -> dict[str, Any]:
    return {"email": email, "first_name": "New", "last_name": None, **more}


def create(email: str = "new@example.com", **more: Any) -> uuid.UUID:
    return users.create(values(email, **more), row_id=uuid7(), anew=True)


def sessions(person: Person) -> int:
    return db.session.scalar(live_of(person.id)) or 0


# One at a time


def test_a_new_person_gets_the_actors_organization_and_an_invitation_but_no_password(
    app: Flask, ada: Person, build: Builder
) -> None:
    with acting(app, ada):
        created = create()
        assert commands.stored_password(created) is None

    user = build.read(User, created)
    assert (user.organization_id, user.role, user.invitation) == (ada.organization_id, Role.USER, "pending")
    assert user.created_by == ada.id
    assert jobs(app) == [("invitation", created)]


def test_ac7_nobody_can_create_or_promote_above_their_own_role(app: Flask, ada: Person, uma: Person) -> None:
    with acting(app, ada):
        with pytest.raises(NotAllowed):
            create(role=Role.SUPER_ADMIN)
        with pytest.raises(NotAllowed):
            users.update(uma.id, 1, {"role": Role.SUPER_ADMIN})


def test_ac7_a_user_cannot_create_or_promote_anyone(app: Flask, uma: Person) -> None:
    with acting(app, uma):
        with pytest.raises(NotAllowed):
            create()
        for role in (Role.ADMIN, Role.SUPER_ADMIN):
            with pytest.raises((Conflict, NotAllowed)):
                users.update(uma.id, 1, {"role": role})


def test_ac8_an_admin_cannot_create_people_elsewhere_or_move_them(
    app: Flask, ada: Person, uma: Person, birch: Tenant, build: Builder
) -> None:
    with acting(app, ada):
        created = create(organization_id=birch.id)
        with pytest.raises(NotAllowed):
            users.update(uma.id, 1, {"organization_id": birch.id})

    assert build.read(User, created).organization_id == ada.organization_id
    assert build.read(User, uma.id).organization_id == ada.organization_id


@pytest.mark.parametrize("name", ["bea", "gil", "root", "nobody"])
def test_ac2_ac6_every_command_on_a_person_out_of_reach_raises_missing(
    app: Flask, ada: Person, bea: Person, gil: Person, root: Person, build: Builder, name: str
) -> None:
    target = {"bea": bea.id, "gil": gil.id, "root": root.id, "nobody": uuid7()}[name]
    calls: tuple[Callable[[], Any], ...] = (
        lambda: users.update(target, 1, {"first_name": "Taken"}),
        lambda: users.set_active(target, is_active=False),
        lambda: users.delete(target),
        lambda: resets.reset_password(target),
        lambda: commands.set_password(target, PASSWORD),
        lambda: commands.update_profile(target, {"first_name": "Taken"}),
    )
    for call in calls:
        with acting(app, ada), pytest.raises(Missing):
            call()

    if name != "nobody":
        assert build.read(User, target).version == 1


def test_ac6_an_admin_cannot_change_a_super_admin_of_their_organization(
    app: Flask, ada: Person, acme: Tenant, build: Builder
) -> None:
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    with acting(app, ada):
        for call in (users.delete, resets.reset_password):
            with pytest.raises(Missing):
                call(chief.id)
        with pytest.raises(Missing):
            users.update(chief.id, 1, {"role": Role.USER})


def test_ac11_nobody_can_demote_deactivate_move_or_delete_themselves(
    app: Flask, root: Person, ada: Person, acme: Tenant, build: Builder
) -> None:
    build.person("second@example.com", role=Role.SUPER_ADMIN)
    for person in (root, ada):
        with acting(app, person):
            for change in ({"role": Role.USER}, {"is_active": False}, {"organization_id": uuid7()}):
                with pytest.raises(Conflict):
                    users.update(person.id, 1, change)
            with pytest.raises(Conflict):
                users.set_active(person.id, is_active=False)
            with pytest.raises(Conflict):
                users.delete(person.id)


def test_ac10_the_last_active_super_admin_cannot_be_removed(app: Flask, root: Person, build: Builder) -> None:
    build.person("asleep@example.com", role=Role.SUPER_ADMIN, is_active=False)
    build.person("gone@example.com", role=Role.SUPER_ADMIN, deleted_at=now())
    lost = build.tenant("Lost", deleted_at=now())
    build.person("lost@example.com", role=Role.SUPER_ADMIN, tenant=lost)
    calls: tuple[Callable[[], Any], ...] = (
        lambda: users.delete(root.id),
        lambda: users.set_active(root.id, is_active=False),
        lambda: users.update(root.id, 1, {"role": Role.ADMIN}),
        lambda: users.update(root.id, 1, {"is_active": False}),
    )
    for call in calls:
        with acting(app), pytest.raises(Conflict, match="last super administrator"):
            call()


def test_ac10_deleting_an_organization_cannot_remove_the_last_super_admin(
    app: Flask, acme: Tenant, build: Builder
) -> None:
    build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)

    with acting(app), pytest.raises(Conflict, match="last super administrator"):
        organizations.delete(acme.id)


def test_co1_an_edit_based_on_an_older_version_is_stale_and_shows_the_newer_one(
    app: Flask, ada: Person, uma: Person
) -> None:
    with acting(app, ada):
        users.update(uma.id, 1, {"first_name": "First"})

        with pytest.raises(Stale) as raised:
            users.update(uma.id, 1, {"first_name": "Second"})

        assert raised.value.current.first_name == "First"


def test_an_edit_that_changes_nothing_writes_nothing(app: Flask, ada: Person, uma: Person, build: Builder) -> None:
    with acting(app, ada):
        users.update(uma.id, 1, {"first_name": "Uma", "role": Role.USER, "is_active": True})

    assert build.read(User, uma.id).version == 1


def test_co2_repeating_a_row_id_creates_one_person_and_one_invitation(app: Flask, ada: Person) -> None:
    key = uuid7()
    with acting(app, ada):
        first = users.create(values(), row_id=key)
        second = users.create(values(), row_id=key)

    assert first == second == key
    assert jobs(app) == [("invitation", key)]


def test_co4_the_email_of_a_deleted_person_offers_to_restore_them(app: Flask, ada: Person, gil: Person) -> None:
    with acting(app, ada):
        with pytest.raises(Conflict) as raised:
            users.create(values(gil.email), row_id=uuid7())
        created = create(gil.email)

    assert (raised.value.field, raised.value.deleted_id) == ("email", gil.id)
    assert created != gil.id


def test_co4_a_restore_fails_if_the_email_was_taken_meanwhile(
    app: Flask, ada: Person, gil: Person, build: Builder
) -> None:
    with acting(app, ada):
        create(gil.email)
        with pytest.raises(Conflict) as raised:
            users.restore(gil.id)

    assert raised.value.field == "email"
    assert "New already uses this address" in raised.value.message
    assert build.read(User, gil.id).is_deleted


def test_ac13_nobody_can_be_restored_into_a_deleted_organization(
    app: Flask, root: Person, gil: Person, acme: Tenant
) -> None:
    with acting(app, root):
        organizations.delete(acme.id)
        with pytest.raises(Conflict) as raised:
            users.restore(gil.id)

    assert raised.value.field == "organization_id"


def test_ac13_a_user_cannot_restore_anyone(app: Flask, uma: Person, bea: Person, gil: Person) -> None:
    for person in (uma, bea):
        with acting(app, person), pytest.raises(Missing):
            users.restore(gil.id)


def test_ac3_a_conflict_with_another_tenant_does_not_name_the_person(
    app: Flask, ada: Person, root: Person, bea: Person
) -> None:
    with acting(app, ada), pytest.raises(Conflict) as hidden:
        create(bea.email)
    with acting(app, root), pytest.raises(Conflict) as shown:
        create(bea.email)

    assert bea.name not in hidden.value.message
    assert bea.name in shown.value.message


def test_deleting_and_restoring_a_person_leaves_them_unchanged(
    app: Flask, ada: Person, uma: Person, build: Builder
) -> None:
    with acting(app, ada):
        users.delete(uma.id)
        users.restore(uma.id)
        users.restore(uma.id)

    user = build.read(User, uma.id)
    assert (user.deleted_at, user.deleted_by, user.version, user.is_active) == (None, None, 3, True)


@pytest.mark.parametrize("how", ["delete", "deactivate", "edit", "reset", "set"])
def test_se3_deletion_deactivation_and_password_changes_end_all_sessions(
    app: Flask, ada: Person, uma: Person, acme: Tenant, how: str
) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "delete": lambda: users.delete(uma.id),
        "deactivate": lambda: users.set_active(uma.id, is_active=False),
        "edit": lambda: users.update(uma.id, 1, {"is_active": False}),
        "reset": lambda: resets.reset_password(uma.id),
        "set": lambda: commands.set_password(uma.id, PASSWORD),
    }
    with acting(app):
        open_session(uma.id, acme.id, lifetime=WEEK)
        open_session(ada.id, acme.id, lifetime=WEEK)
    with acting(app, ada):
        calls[how]()
    with acting(app):
        assert (sessions(uma), sessions(ada)) == (0, 1)


def test_au9_a_reset_removes_the_password_and_sends_a_link(
    app: Flask, ada: Person, uma: Person, build: Builder
) -> None:
    with acting(app, ada):
        resets.reset_password(uma.id)
        assert commands.stored_password(uma.id) is None
    assert build.read(User, uma.id).must_change_password
    assert jobs(app) == [("password_reset", uma.id)]

    with acting(app, ada):
        commands.set_password(uma.id, PASSWORD)
    assert not build.read(User, uma.id).must_change_password


def test_a_rehash_does_not_replace_a_password_changed_meanwhile(app: Flask, uma: Person) -> None:
    with acting(app):
        former = commands.stored_password(uma.id)
        assert former is not None
        commands.set_password(uma.id, "something else entirely")
        commands.rehash(uma.id, former, "stale")

        assert passwords.verify("something else entirely", commands.stored_password(uma.id)).correct


# Concurrent commands


@pytest.fixture
def tenant(fresh_app: Flask) -> Tenant:
    return Builder(fresh_app).tenant("Acme")


def test_co3_concurrent_creates_with_one_email_have_one_winner_and_conflicts(fresh_app: Flask, tenant: Tenant) -> None:
    for turn in range(MANY_ROUNDS):
        spellings = [f"{'R' if n % 2 else 'r'}ace{turn}@example.com" for n in range(THREADS)]
        results = run_concurrently(
            fresh_app, [partial(create, email, organization_id=tenant.id) for email in spellings]
        )

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}
        assert {one.field for one in results if isinstance(one, Conflict)} == {"email"}


def test_co3_concurrent_changes_to_one_email_have_one_winner(fresh_app: Flask, tenant: Tenant) -> None:
    build = Builder(fresh_app)
    people = [build.person(f"p{n}@example.com", tenant=tenant, invited_at=now()) for n in range(THREADS)]
    for turn in range(ROUNDS):
        email = f"race{turn}@example.com"
        versions = {person.id: build.read(User, person.id).version for person in people}

        def rename(person: Person, email: str = email, versions: dict[uuid.UUID, int] = versions) -> User:
            return users.update(person.id, versions[person.id], {"email": email})

        results = run_concurrently(fresh_app, [partial(rename, person) for person in people])

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}


def test_co3_concurrent_restores_with_one_email_have_one_winner(fresh_app: Flask, tenant: Tenant) -> None:
    build = Builder(fresh_app)
    for turn in range(ROUNDS):
        email = f"race{turn}@example.com"
        gone = [build.person(email, tenant=tenant, deleted_at=now()) for _ in range(THREADS)]

        results = run_concurrently(fresh_app, [partial(users.restore, person.id) for person in gone])

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}
        with acting(fresh_app):
            assert db.session.scalar(select(func.count(User.id)).where(User.email == email)) == 1


def test_co2_ten_concurrent_submits_of_one_form_create_one_person(fresh_app: Flask, tenant: Tenant) -> None:
    ada = Builder(fresh_app).person("ada@example.com", role=Role.ADMIN, tenant=tenant)
    for turn in range(ROUNDS):
        key, email = uuid7(), f"double{turn}@example.com"

        def submit(key: uuid.UUID = key, email: str = email) -> uuid.UUID:
            return users.create(values(email), row_id=key)

        results = run_concurrently(fresh_app, [submit] * 10, ada)

        assert results == [key] * 10
        assert jobs(fresh_app).count(("invitation", key)) == 1


def test_co1_every_acknowledged_edit_of_fifty_concurrent_ones_is_kept(fresh_app: Flask, tenant: Tenant) -> None:
    build = Builder(fresh_app)
    uma = build.person("uma@example.com", tenant=tenant)

    def edit(number: int) -> str:
        user = db.session.scalars(queries.by_id(uma.id)).one()
        users.update(uma.id, user.version, {"first_name": f"{user.first_name},{number}"})
        return str(number)

    results = run_concurrently(fresh_app, [partial(edit, number) for number in range(50)])

    assert set(outcomes_of(results)) <= {"done", "Stale"}
    acknowledged = sorted(one for one in results if isinstance(one, str))
    after = build.read(User, uma.id)
    assert sorted(after.first_name.split(",")[1:]) == acknowledged
    assert after.version == 1 + len(acknowledged)
    assert acknowledged


def test_ac10_two_super_admins_who_remove_each_other_concurrently_leave_one(fresh_app: Flask) -> None:
    notice_deadlocks_early(fresh_app)
    build = Builder(fresh_app)
    one = build.person("one@example.com", role=Role.SUPER_ADMIN)
    two = build.person("two@example.com", role=Role.SUPER_ADMIN)
    active = queries.active_super_admins()

    def remove(person: Person, how: int) -> Any:
        if how == 0:
            return users.delete(person.id)
        if how == 1:
            return users.set_active(person.id, is_active=False)
        version = db.session.scalars(queries.by_id(person.id)).one().version
        return users.update(person.id, version, {"role": Role.USER})

    for turn in range(20):
        results = run_concurrently(
            fresh_app, [partial(remove, two, turn % 3), partial(remove, one, (turn + 1) % 3)], one, two
        )

        assert outcomes_of(results) == {"done": 1, "Conflict": 1}, results
        with acting(fresh_app):
            assert len(db.session.scalars(active).all()) == 1
            restore_both(one, two)


def notice_deadlocks_early(app: Flask) -> None:
    """Keep the test quick. Without the privilege it only takes longer."""
    with app.app_context(), db.engine.begin() as connection, suppress(ProgrammingError):
        name = connection.engine.url.database
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET deadlock_timeout = 50')
    disconnect(app)


def restore_both(*people: Person) -> None:
    for person in people:
        user = users.restore(person.id)
        users.update(person.id, user.version, {"role": Role.SUPER_ADMIN, "is_active": True})


def test_co5_nobody_active_is_left_in_an_organization_deleted_while_people_are_added(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    build.person("root@example.com", role=Role.SUPER_ADMIN)
    for turn in range(ROUNDS):
        organization = build.tenant(f"Home {turn}")

        def join(number: int, organization: Tenant = organization, turn: int = turn) -> Any:
            return create(f"p{turn}-{number}@example.com", organization_id=organization.id)

        tasks: list[Callable[[], Any]] = [partial(join, number) for number in range(8)]
        tasks.append(partial(organizations.delete, organization.id))
        results = run_concurrently(fresh_app, tasks)

        assert set(outcomes_of(results)) <= {"done", "Conflict"}
        gone = build.read(Organization, organization.id)
        with acting(fresh_app):
            later = select(func.count(User.id)).where(
                User.organization_id == organization.id, User.created_at > gone.deleted_at
            )
            assert db.session.scalar(later) == 0


def test_ac10_deleting_two_organizations_concurrently_cannot_remove_the_last_super_admins(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    tenants = [build.tenant(f"Home {side}") for side in "ab"]
    for organization in tenants:
        build.person(f"{organization.slug}@example.com", role=Role.SUPER_ADMIN, tenant=organization)
    for _ in range(ROUNDS):
        run_concurrently(fresh_app, [partial(organizations.delete, organization.id) for organization in tenants])

        with acting(fresh_app):
            assert len(db.session.scalars(queries.active_super_admins()).all()) == 1
            for organization in tenants:
                organizations.restore(organization.id)


def test_se3_a_reset_also_ends_sessions_from_before_the_person_was_moved(
    app: Flask, root: Person, ada: Person, acme: Tenant, build: Builder
) -> None:
    nomad = build.person("nomad@example.com")
    with acting(app):
        open_session(nomad.id, None, lifetime=WEEK)
    with acting(app, root):
        version = db.session.scalars(queries.by_id(nomad.id)).one().version
        users.update(nomad.id, version, {"email": nomad.email, "organization_id": acme.id})

    with acting(app, ada):
        assert db.session.scalar(live_of(nomad.id)) == 1
        resets.reset_password(nomad.id)

    with acting(app):
        assert db.session.scalar(live_of(nomad.id)) == 0


def test_au9_nobody_can_reset_their_own_password_without_the_current_one(app: Flask, ada: Person, root: Person) -> None:
    for person in (ada, root):
        with acting(app, person), pytest.raises(Conflict):
            resets.reset_password(person.id)


@pytest.mark.parametrize("change", ["role", "tenant", "undo", "name", "organization"])
def test_se5_a_new_role_or_tenant_ends_sessions_of_api_clients_but_not_of_browsers(
    app: Flask, root: Person, uma: Person, acme: Tenant, birch: Tenant, change: str
) -> None:
    with acting(app):
        if change == "undo":
            users.update(uma.id, 1, {"role": Role.ADMIN})
        open_session(uma.id, acme.id, lifetime=WEEK)
        command(add_session)(uma.id, acme.id, now(), lifetime=WEEK, token=None)
    calls: dict[str, Callable[[], Any]] = {
        "role": lambda: users.update(uma.id, 1, {"role": Role.ADMIN}),
        "tenant": lambda: users.update(uma.id, 1, {"organization_id": birch.id}),
        "undo": lambda: users.undo(uma.id, 2),
        "name": lambda: users.update(uma.id, 1, {"first_name": "Ulla"}),
        "organization": lambda: organizations.delete(acme.id),
    }
    with acting(app, root):
        calls[change]()

    with acting(app):
        kinds = db.session.scalars(select(Session.is_browser).where(Session.ended_at.is_(None)))
        assert sorted(kinds) == ([False, True] if change in ("name", "organization") else [True])  # it can be restored
