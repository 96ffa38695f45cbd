"""Do people come, change, go and come back as promised, also when many do it at once?"""

from __future__ import annotations

import uuid
from collections import Counter
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
from tests.acting import acting, at_once
from tests.cast import PASSWORD, Builder, Person, Tenant
from tests.database import disconnect
from tests.mailbox import jobs
from tests.rounds import rounds

THREADS = 20
ROUNDS = rounds("ROUNDS", 15)
MANY_ROUNDS = max(ROUNDS, 100)  # where one takes little
WEEK = Lifetime(timedelta(days=7), timedelta(days=7))


def values(email: str = "new@example.com", **more: Any) -> dict[str, Any]:
    return {"email": email, "first_name": "New", "last_name": None, **more}


def create(email: str = "new@example.com", **more: Any) -> uuid.UUID:
    return users.create(values(email, **more), row_id=uuid7(), anew=True)


def sessions(person: Person) -> int:
    return db.session.scalar(live_of(person.id)) or 0


# One at a time


def test_a_new_person_gets_the_actors_organization_and_an_invitation_instead_of_a_password(
    app: Flask, ada: Person, build: Builder
) -> None:
    with acting(app, ada):
        created = create()
        assert commands.stored_password(created) is None

    user = build.read(User, created)
    assert (user.organization_id, user.role, user.invitation) == (ada.organization_id, Role.USER, "pending")
    assert user.created_by == ada.id
    assert jobs(app) == [("invitation", created)]


def test_ac7_nobody_creates_or_promotes_above_their_own_role(app: Flask, ada: Person, uma: Person) -> None:
    with acting(app, ada):
        with pytest.raises(NotAllowed):
            create(role=Role.SUPER_ADMIN)
        with pytest.raises(NotAllowed):
            users.update(uma.id, 1, {"role": Role.SUPER_ADMIN})


def test_ac7_a_user_creates_and_promotes_nobody(app: Flask, uma: Person) -> None:
    with acting(app, uma):
        with pytest.raises(NotAllowed):
            create()
        for role in (Role.ADMIN, Role.SUPER_ADMIN):
            with pytest.raises((Conflict, NotAllowed)):
                users.update(uma.id, 1, {"role": role})


def test_ac8_an_admin_creates_nobody_elsewhere_and_moves_nobody(
    app: Flask, ada: Person, uma: Person, birch: Tenant, build: Builder
) -> None:
    with acting(app, ada):
        created = create(organization_id=birch.id)
        with pytest.raises(NotAllowed):
            users.update(uma.id, 1, {"organization_id": birch.id})

    assert build.read(User, created).organization_id == ada.organization_id
    assert build.read(User, uma.id).organization_id == ada.organization_id


@pytest.mark.parametrize("name", ["bea", "gil", "root", "nobody"])
def test_ac2_ac6_every_act_on_who_is_out_of_reach_finds_nobody(
    app: Flask, ada: Person, bea: Person, gil: Person, root: Person, build: Builder, name: str
) -> None:
    target = {"bea": bea.id, "gil": gil.id, "root": root.id, "nobody": uuid7()}[name]
    acts: tuple[Callable[[], Any], ...] = (
        lambda: users.update(target, 1, {"first_name": "Taken"}),
        lambda: users.set_active(target, is_active=False),
        lambda: users.delete(target),
        lambda: resets.reset_password(target),
        lambda: commands.set_password(target, PASSWORD),
        lambda: commands.update_profile(target, {"first_name": "Taken"}),
    )
    for act in acts:
        with acting(app, ada), pytest.raises(Missing):
            act()

    if name != "nobody":
        assert build.read(User, target).version == 1


def test_ac6_an_admin_acts_on_no_super_admin_of_the_own_organization(
    app: Flask, ada: Person, acme: Tenant, build: Builder
) -> None:
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)
    with acting(app, ada):
        for act in (users.delete, resets.reset_password):
            with pytest.raises(Missing):
                act(chief.id)
        with pytest.raises(Missing):
            users.update(chief.id, 1, {"role": Role.USER})


def test_ac11_nobody_demotes_deactivates_moves_or_deletes_themselves(
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


def test_ac10_the_last_super_admin_who_can_sign_in_stays(app: Flask, root: Person, build: Builder) -> None:
    build.person("asleep@example.com", role=Role.SUPER_ADMIN, is_active=False)
    build.person("gone@example.com", role=Role.SUPER_ADMIN, deleted_at=now())
    lost = build.tenant("Lost", deleted_at=now())
    build.person("lost@example.com", role=Role.SUPER_ADMIN, tenant=lost)
    acts: tuple[Callable[[], Any], ...] = (
        lambda: users.delete(root.id),
        lambda: users.set_active(root.id, is_active=False),
        lambda: users.update(root.id, 1, {"role": Role.ADMIN}),
        lambda: users.update(root.id, 1, {"is_active": False}),
    )
    for act in acts:
        with acting(app), pytest.raises(Conflict, match="last super administrator"):
            act()


def test_ac10_a_last_super_admin_does_not_go_with_an_organization(app: Flask, acme: Tenant, build: Builder) -> None:
    build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)

    with acting(app), pytest.raises(Conflict, match="last super administrator"):
        organizations.delete(acme.id)


def test_co1_an_edit_that_began_from_an_older_row_is_stale_and_shows_the_newer(
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


def test_co2_the_same_row_id_again_is_the_same_person_invited_once(app: Flask, ada: Person) -> None:
    key = uuid7()
    with acting(app, ada):
        first = users.create(values(), row_id=key)
        second = users.create(values(), row_id=key)

    assert first == second == key
    assert jobs(app) == [("invitation", key)]


def test_co4_the_address_of_a_deleted_person_offers_to_restore_them_first(app: Flask, ada: Person, gil: Person) -> None:
    with acting(app, ada):
        with pytest.raises(Conflict) as raised:
            users.create(values(gil.email), row_id=uuid7())
        created = create(gil.email)

    assert (raised.value.field, raised.value.deleted_id) == ("email", gil.id)
    assert created != gil.id


def test_co4_a_restore_that_meets_a_new_owner_of_the_address_says_so(
    app: Flask, ada: Person, gil: Person, build: Builder
) -> None:
    with acting(app, ada):
        create(gil.email)
        with pytest.raises(Conflict) as raised:
            users.restore(gil.id)

    assert raised.value.field == "email"
    assert "New already uses this address" in raised.value.message
    assert build.read(User, gil.id).is_deleted


def test_ac13_nobody_is_restored_into_a_deleted_organization(
    app: Flask, root: Person, gil: Person, acme: Tenant
) -> None:
    with acting(app, root):
        organizations.delete(acme.id)
        with pytest.raises(Conflict) as raised:
            users.restore(gil.id)

    assert raised.value.field == "organization_id"


def test_ac13_a_user_restores_nobody(app: Flask, uma: Person, bea: Person, gil: Person) -> None:
    for person in (uma, bea):
        with acting(app, person), pytest.raises(Missing):
            users.restore(gil.id)


def test_ac3_an_address_taken_in_another_tenant_does_not_say_by_whom(
    app: Flask, ada: Person, root: Person, bea: Person
) -> None:
    with acting(app, ada), pytest.raises(Conflict) as hidden:
        create(bea.email)
    with acting(app, root), pytest.raises(Conflict) as shown:
        create(bea.email)

    assert bea.name not in hidden.value.message
    assert bea.name in shown.value.message


def test_deleting_and_restoring_leaves_the_person_as_they_were(
    app: Flask, ada: Person, uma: Person, build: Builder
) -> None:
    with acting(app, ada):
        users.delete(uma.id)
        users.restore(uma.id)
        users.restore(uma.id)

    user = build.read(User, uma.id)
    assert (user.deleted_at, user.deleted_by, user.version, user.is_active) == (None, None, 3, True)


@pytest.mark.parametrize("act", ["delete", "deactivate", "edit", "reset", "set"])
def test_se3_sign_ins_end_with_deletion_deactivation_and_a_reset(
    app: Flask, ada: Person, uma: Person, acme: Tenant, act: str
) -> None:
    acts: dict[str, Callable[[], Any]] = {
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
        acts[act]()
    with acting(app):
        assert (sessions(uma), sessions(ada)) == (0, 1)


def test_au9_a_reset_takes_the_password_away_and_mails_a_link(
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


def test_a_rehash_replaces_no_password_that_was_changed_meanwhile(app: Flask, uma: Person) -> None:
    with acting(app):
        former = commands.stored_password(uma.id)
        assert former is not None
        commands.set_password(uma.id, "something else entirely")
        commands.rehash(uma.id, former, "stale")

        assert passwords.verify("something else entirely", commands.stored_password(uma.id)).correct


# Many at once


def outcomes_of(results: list[Any]) -> Counter[str]:
    return Counter(type(one).__name__ if isinstance(one, Exception) else "done" for one in results)


@pytest.fixture
def tenant(fresh_app: Flask) -> Tenant:
    return Builder(fresh_app).tenant("Acme")


def test_co3_of_many_who_create_the_same_address_one_wins_and_the_others_are_told(
    fresh_app: Flask, tenant: Tenant
) -> None:
    for turn in range(MANY_ROUNDS):
        spellings = [f"{'R' if n % 2 else 'r'}ace{turn}@example.com" for n in range(THREADS)]
        results = at_once(fresh_app, [partial(create, email, organization_id=tenant.id) for email in spellings])

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}
        assert {one.field for one in results if isinstance(one, Conflict)} == {"email"}


def test_co3_of_many_who_take_on_the_same_address_one_wins(fresh_app: Flask, tenant: Tenant) -> None:
    build = Builder(fresh_app)
    people = [build.person(f"p{n}@example.com", tenant=tenant, invited_at=now()) for n in range(THREADS)]
    for turn in range(ROUNDS):
        wanted = f"race{turn}@example.com"
        versions = {person.id: build.read(User, person.id).version for person in people}

        def rename(person: Person, wanted: str = wanted, versions: dict[uuid.UUID, int] = versions) -> User:
            return users.update(person.id, versions[person.id], {"email": wanted})

        results = at_once(fresh_app, [partial(rename, person) for person in people])

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}


def test_co3_of_many_deleted_with_one_address_one_comes_back(fresh_app: Flask, tenant: Tenant) -> None:
    build = Builder(fresh_app)
    for turn in range(ROUNDS):
        email = f"race{turn}@example.com"
        gone = [build.person(email, tenant=tenant, deleted_at=now()) for _ in range(THREADS)]

        results = at_once(fresh_app, [partial(users.restore, person.id) for person in gone])

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}
        with acting(fresh_app):
            assert db.session.scalar(select(func.count(User.id)).where(User.email == email)) == 1


def test_co2_ten_submits_of_one_form_at_once_make_one_person(fresh_app: Flask, tenant: Tenant) -> None:
    ada = Builder(fresh_app).person("ada@example.com", role=Role.ADMIN, tenant=tenant)
    for turn in range(ROUNDS):
        key, email = uuid7(), f"double{turn}@example.com"

        def submit(key: uuid.UUID = key, email: str = email) -> uuid.UUID:
            return users.create(values(email), row_id=key)

        results = at_once(fresh_app, [submit] * 10, ada)

        assert results == [key] * 10
        assert jobs(fresh_app).count(("invitation", key)) == 1


def test_co1_of_fifty_edits_at_once_every_acknowledged_one_is_kept(fresh_app: Flask, tenant: Tenant) -> None:
    build = Builder(fresh_app)
    uma = build.person("uma@example.com", tenant=tenant)

    def edit(number: int) -> str:
        user = db.session.scalars(queries.by_id(uma.id)).one()
        users.update(uma.id, user.version, {"first_name": f"{user.first_name},{number}"})
        return str(number)

    results = at_once(fresh_app, [partial(edit, number) for number in range(50)])

    assert set(outcomes_of(results)) <= {"done", "Stale"}
    acknowledged = sorted(one for one in results if isinstance(one, str))
    after = build.read(User, uma.id)
    assert sorted(after.first_name.split(",")[1:]) == acknowledged
    assert after.version == 1 + len(acknowledged)
    assert acknowledged


def test_ac10_two_super_admins_who_remove_each_other_at_once_leave_one(fresh_app: Flask) -> None:
    notice_deadlocks_early(fresh_app)
    build = Builder(fresh_app)
    one = build.person("one@example.com", role=Role.SUPER_ADMIN)
    two = build.person("two@example.com", role=Role.SUPER_ADMIN)
    able = queries.active_super_admins()

    def remove(person: Person, way: int) -> Any:
        if way == 0:
            return users.delete(person.id)
        if way == 1:
            return users.set_active(person.id, is_active=False)
        version = db.session.scalars(queries.by_id(person.id)).one().version
        return users.update(person.id, version, {"role": Role.USER})

    for turn in range(20):
        results = at_once(fresh_app, [partial(remove, two, turn % 3), partial(remove, one, (turn + 1) % 3)], one, two)

        assert outcomes_of(results) == {"done": 1, "Conflict": 1}, results
        with acting(fresh_app):
            assert len(db.session.scalars(able).all()) == 1
            restore_both(one, two)


def notice_deadlocks_early(app: Flask) -> None:
    """So that the test is quick; where the account may not set it, the test takes longer."""
    with app.app_context(), db.engine.begin() as connection, suppress(ProgrammingError):
        name = connection.engine.url.database
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET deadlock_timeout = 50')
    disconnect(app)


def restore_both(*people: Person) -> None:
    for person in people:
        user = users.restore(person.id)
        users.update(person.id, user.version, {"role": Role.SUPER_ADMIN, "is_active": True})


def test_co5_nobody_active_is_left_in_an_organization_deleted_while_people_came(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    build.person("root@example.com", role=Role.SUPER_ADMIN)
    for turn in range(ROUNDS):
        home = build.tenant(f"Home {turn}")

        def come(number: int, home: Tenant = home, turn: int = turn) -> Any:
            return create(f"p{turn}-{number}@example.com", organization_id=home.id)

        works: list[Callable[[], Any]] = [partial(come, number) for number in range(8)]
        works.append(partial(organizations.delete, home.id))
        results = at_once(fresh_app, works)

        assert set(outcomes_of(results)) <= {"done", "Conflict"}
        gone = build.read(Organization, home.id)
        with acting(fresh_app):
            later = select(func.count(User.id)).where(
                User.organization_id == home.id, User.created_at > gone.deleted_at
            )
            assert db.session.scalar(later) == 0


def test_ac10_two_organizations_deleted_at_once_do_not_lock_the_last_super_admins_out(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    homes = [build.tenant(f"Home {side}") for side in "ab"]
    for home in homes:
        build.person(f"{home.slug}@example.com", role=Role.SUPER_ADMIN, tenant=home)
    for _ in range(ROUNDS):
        at_once(fresh_app, [partial(organizations.delete, home.id) for home in homes])

        with acting(fresh_app):
            assert len(db.session.scalars(queries.active_super_admins()).all()) == 1
            for home in homes:
                organizations.restore(home.id)


def test_se3_a_reset_ends_sign_ins_too_that_began_before_somebody_was_moved(
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


def test_au9_nobody_resets_their_own_password_without_the_current_one(app: Flask, ada: Person, root: Person) -> None:
    for person in (ada, root):
        with acting(app, person), pytest.raises(Conflict):
            resets.reset_password(person.id)


@pytest.mark.parametrize("act", ["role", "tenant", "undo", "name", "organization"])
def test_se5_another_role_or_tenant_ends_the_sessions_of_api_clients_and_no_browser(
    app: Flask, root: Person, uma: Person, acme: Tenant, birch: Tenant, act: str
) -> None:
    with acting(app):
        if act == "undo":
            users.update(uma.id, 1, {"role": Role.ADMIN})
        open_session(uma.id, acme.id, lifetime=WEEK)
        command(add_session)(uma.id, acme.id, lifetime=WEEK, token=None)
    acts: dict[str, Callable[[], Any]] = {
        "role": lambda: users.update(uma.id, 1, {"role": Role.ADMIN}),
        "tenant": lambda: users.update(uma.id, 1, {"organization_id": birch.id}),
        "undo": lambda: users.undo(uma.id, 2),
        "name": lambda: users.update(uma.id, 1, {"first_name": "Ulla"}),
        "organization": lambda: organizations.delete(acme.id),
    }
    with acting(app, root):
        acts[act]()

    with acting(app):
        kinds = db.session.scalars(select(Session.is_browser).where(Session.ended_at.is_(None)))
        assert sorted(kinds) == ([False, True] if act == "name" else [True])
