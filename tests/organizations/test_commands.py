"""Creating, changing, deleting and restoring organizations, one at a time and concurrently."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from portal.core.clock import now
from portal.core.db import db
from portal.core.errors import Conflict, Missing, NotAllowed, Stale
from portal.core.keys import uuid7
from portal.organizations import queries
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting, outcomes_of, portal_on, run_concurrently
from tests.cast import Builder, Person, Tenant
from tests.rounds import rounds

THREADS = 20
ROUNDS = rounds("ROUNDS", 15)
MANY_ROUNDS = max(ROUNDS, 100)  # for quick ones


@pytest.fixture
def fresh_app(fresh_database: str) -> Iterator[Flask]:
    """A portal whose threads wait for a connection as long as a slow machine needs."""
    with portal_on(fresh_database) as app:
        yield app


def create(slug: str, name: str = "New") -> uuid.UUID:
    return organizations.create({"name": name, "slug": slug}, row_id=uuid7())


def test_a_new_organization_is_stamped_with_its_creator(app: Flask, root: Person, build: Builder) -> None:
    with acting(app, root):
        key = create("new")

    row = build.read(Organization, key)
    assert (row.name, row.slug, row.created_by, row.version) == ("New", "new", root.id, 1)


def test_co2_repeating_a_row_id_creates_one_organization(app: Flask, root: Person) -> None:
    key = uuid7()
    with acting(app, root):
        for _ in range(2):
            assert organizations.create({"name": "New", "slug": "new"}, row_id=key) == key

        assert db.session.scalar(select(func.count(Organization.id))) == 1


def test_a_duplicate_slug_is_a_conflict_that_names_the_organization(app: Flask, root: Person, acme: Tenant) -> None:
    with acting(app, root), pytest.raises(Conflict, match="Acme already uses this URL name") as raised:
        create(acme.slug)

    assert raised.value.field == "slug"


def test_ac2_an_admin_cannot_reach_another_organization(app: Flask, ada: Person, birch: Tenant, build: Builder) -> None:
    with acting(app, ada):
        for change in (organizations.delete, organizations.restore):
            with pytest.raises(Missing):
                change(birch.id)
        with pytest.raises(Missing):
            organizations.update(birch.id, 1, {"name": "Taken"})

    assert build.read(Organization, birch.id).version == 1


def test_an_admin_can_rename_their_organization_but_not_change_its_slug(
    app: Flask, ada: Person, acme: Tenant, build: Builder
) -> None:
    with acting(app, ada):
        organizations.update(acme.id, 1, {"name": "Acme United", "slug": acme.slug})
        with pytest.raises(NotAllowed):
            organizations.update(acme.id, 2, {"slug": "united"})

    row = build.read(Organization, acme.id)
    assert (row.name, row.slug) == ("Acme United", "acme")


def test_an_admin_cannot_create_an_organization(app: Flask, ada: Person) -> None:
    with acting(app, ada), pytest.raises(NotAllowed):
        create("third")


def test_co1_an_edit_based_on_an_older_version_is_stale(app: Flask, root: Person, acme: Tenant) -> None:
    with acting(app, root):
        organizations.update(acme.id, 1, {"name": "First"})

        with pytest.raises(Stale) as raised:
            organizations.update(acme.id, 1, {"name": "Second"})

        assert raised.value.current.name == "First"


def test_deleting_changes_only_the_organization_and_restoring_brings_it_back(
    app: Flask, root: Person, ada: Person, uma: Person, acme: Tenant, build: Builder
) -> None:
    with acting(app, root):
        organizations.delete(acme.id)
        with pytest.raises(Missing):
            organizations.delete(acme.id)
    assert build.read(Organization, acme.id).deleted_by == root.id
    assert [build.read(User, one.id).version for one in (ada, uma)] == [1, 1]

    with acting(app, root):
        organizations.restore(acme.id)
        organizations.restore(acme.id)
    assert not build.read(Organization, acme.id).is_deleted


def test_co4_a_restore_fails_if_the_slug_was_taken_meanwhile(app: Flask, root: Person, acme: Tenant) -> None:
    with acting(app, root):
        organizations.delete(acme.id)
        create(acme.slug, "Second")

        with pytest.raises(Conflict, match="Second already uses this URL name") as raised:
            organizations.restore(acme.id)

    assert raised.value.field == "slug"


def test_co3_concurrent_creates_with_one_slug_have_one_winner(fresh_app: Flask) -> None:
    for turn in range(MANY_ROUNDS):
        results = run_concurrently(fresh_app, [partial(create, f"race{turn}")] * THREADS)

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}
        assert {one.field for one in results if isinstance(one, Conflict)} == {"slug"}


def test_co3_concurrent_changes_to_one_slug_have_one_winner(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    tenants = [build.tenant(f"T {n}") for n in range(THREADS)]
    for turn in range(ROUNDS):

        def rename(tenant: Tenant, slug: str = f"race{turn}") -> Organization:
            version = db.session.scalars(queries.by_id(tenant.id)).one().version
            return organizations.update(tenant.id, version, {"slug": slug})

        results = run_concurrently(fresh_app, [partial(rename, tenant) for tenant in tenants])

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}


def test_co3_concurrent_restores_with_one_slug_have_one_winner(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    for turn in range(ROUNDS):
        gone = [build.tenant("Gone", slug=f"race{turn}", deleted_at=now()) for _ in range(THREADS)]

        results = run_concurrently(fresh_app, [partial(organizations.restore, tenant.id) for tenant in gone])

        assert outcomes_of(results) == {"done": 1, "Conflict": THREADS - 1}


def test_co2_ten_concurrent_submits_of_one_form_create_one_organization(fresh_app: Flask) -> None:
    for turn in range(ROUNDS):
        key, sent = uuid7(), {"name": "New", "slug": f"double{turn}"}

        def submit(key: uuid.UUID = key, sent: dict[str, str] = sent) -> uuid.UUID:
            return organizations.create(sent, row_id=key)

        assert run_concurrently(fresh_app, [submit] * 10) == [key] * 10


def test_co1_every_acknowledged_edit_of_fifty_concurrent_ones_is_kept(fresh_app: Flask) -> None:
    tenant = Builder(fresh_app).tenant("Acme")

    def edit(number: int) -> str:
        row = db.session.scalars(queries.by_id(tenant.id)).one()
        organizations.update(tenant.id, row.version, {"name": f"{row.name},{number}"})
        return str(number)

    results = run_concurrently(fresh_app, [partial(edit, number) for number in range(50)])

    assert set(outcomes_of(results)) <= {"done", "Stale"}
    acknowledged = sorted(one for one in results if isinstance(one, str))
    assert sorted(Builder(fresh_app).read(Organization, tenant.id).name.split(",")[1:]) == acknowledged


CREATED_TOO_LATE = text("""
    SELECT count(*) FROM activity made
    JOIN users person ON person.id = made.row_id
    JOIN activity gone ON gone.row_id = person.organization_id AND gone.action = 'delete'
    WHERE made.action = 'create' AND made.at > gone.at""")


def add_to(organization: uuid.UUID) -> uuid.UUID:
    key = uuid7()
    return users.create({"email": f"{key}@example.com", "organization_id": organization}, row_id=key, anew=True)


def test_co5_nobody_is_created_in_an_organization_after_it_was_deleted(fresh_app: Flask) -> None:
    """200 rounds in which people are added while the organization is deleted."""
    outcomes: Counter[str] = Counter()
    for number in range(200):
        organization = Builder(fresh_app).tenant(f"Race {number}").id
        tasks: list[Callable[[], Any]] = [
            partial(add_to, organization),
            partial(organizations.delete, organization),
            partial(add_to, organization),
        ]
        outcomes += outcomes_of(run_concurrently(fresh_app, tasks))

    assert set(outcomes) == {"done", "Conflict"}, outcomes
    with acting(fresh_app):
        assert db.session.scalar(CREATED_TOO_LATE) == 0
        assert db.session.scalar(select(func.count(User.id))) == outcomes["done"] - 200
    assert 0 < outcomes["Conflict"] < 400, "the deletion was always last, or always first"
