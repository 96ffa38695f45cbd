"""Batch writes follow the same rules as single ones."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.actor import Role
from portal.core.batch import create_many, update_many, upsert
from portal.core.db import command, db
from portal.core.errors import Conflict, Missing, NotAllowed
from portal.organizations.models import Organization
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

create = command(create_many)
change = command(update_many)


@command
def upsert_people(rows: list[dict[str, Any]]) -> list[uuid.UUID]:
    return upsert(User, rows, key="email")


def everybody() -> dict[str, str | None]:
    """First names by email address, of active and deleted people of every tenant."""
    found = db.session.scalars(select(User).order_by(User.id), execution_options={"with_deleted": True})
    return {user.email: user.first_name for user in found}


def test_created_rows_get_the_actors_tenant_a_key_and_stamps(app: Flask, ada: Person, build: Builder) -> None:
    with acting(app, ada):
        keys = create(User, [{"email": f"p{number}@example.com"} for number in range(50)])

    rows = [build.read(User, key) for key in keys]
    assert [row.email for row in rows] == [f"p{number}@example.com" for number in range(50)]
    assert {row.organization_id for row in rows} == {ada.organization_id}
    assert {(row.created_by, row.updated_by, row.version) for row in rows} == {(ada.id, ada.id, 1)}


def test_batches_can_be_empty(app: Flask, ada: Person) -> None:
    with acting(app, ada):
        assert create(User, []) == []
        assert upsert_people([]) == []


def test_ac8_one_row_for_another_tenant_rejects_the_whole_batch(app: Flask, ada: Person, birch: Tenant) -> None:
    rows: list[dict[str, Any]] = [{"email": "a@example.com"}, {"email": "b@example.com", "organization_id": birch.id}]

    with acting(app, ada), pytest.raises(NotAllowed):
        create(User, rows)
    with acting(app, ada), pytest.raises(NotAllowed):
        upsert_people(rows)

    with acting(app):
        assert set(everybody()) == {ada.email}


def test_ac7_admin_cannot_create_super_admins_in_bulk(app: Flask, ada: Person, uma: Person) -> None:
    row = {"email": "chief@example.com", "role": Role.SUPER_ADMIN}
    with acting(app, ada), pytest.raises(NotAllowed):
        create(User, [row])
    with acting(app, ada), pytest.raises(NotAllowed):
        upsert_people([row])
    with acting(app, ada), pytest.raises(NotAllowed):
        change(User, [uma.id], {"role": Role.SUPER_ADMIN})


def test_updated_rows_are_stamped_and_their_versions_incremented(
    app: Flask, ada: Person, uma: Person, build: Builder
) -> None:
    with acting(app, ada):
        assert change(User, [ada.id, uma.id], {"is_active": False}) == 2

    row = build.read(User, uma.id)
    assert (row.is_active, row.updated_by, row.version) == (False, ada.id, 2)


def test_ac12_a_foreign_deleted_or_unknown_id_changes_and_reveals_nothing(
    app: Flask, ada: Person, uma: Person, bea: Person, gil: Person
) -> None:
    for stray in (bea.id, gil.id, uuid.uuid4()):
        with acting(app, ada):
            with pytest.raises(Missing) as raised:
                change(User, [uma.id, stray], {"first_name": "Changed"})
            assert not raised.value.args

    with acting(app):
        assert "Changed" not in everybody().values()


def test_ac8_update_many_cannot_move_people_to_another_tenant(
    app: Flask, ada: Person, uma: Person, birch: Tenant
) -> None:
    for target in (birch.id, None):
        with acting(app, ada), pytest.raises(NotAllowed):
            change(User, [uma.id], {"organization_id": target})


def test_an_upsert_creates_new_rows_and_updates_those_with_the_same_email(
    app: Flask, ada: Person, uma: Person, build: Builder
) -> None:
    rows = [
        {"email": "new@example.com", "first_name": "New"},
        {"email": "UMA@example.com", "first_name": "Renamed"},
    ]
    with acting(app, ada):
        new, known = upsert_people(rows)

    assert known == uma.id
    assert build.read(User, new).first_name == "New"
    row = build.read(User, uma.id)
    assert (row.first_name, row.updated_by, row.version) == ("Renamed", ada.id, 2)


def test_repeating_an_upsert_leaves_the_same_rows(app: Flask, ada: Person) -> None:
    rows = [{"email": f"p{number}@example.com", "first_name": "P"} for number in range(20)]

    with acting(app, ada):
        first = upsert_people(rows)
    with acting(app, ada):
        second = upsert_people(rows)

    assert first == second


def test_ac12_an_upsert_never_changes_a_deleted_row(app: Flask, ada: Person, gil: Person, build: Builder) -> None:
    with acting(app, ada):
        (key,) = upsert_people([{"email": gil.email, "first_name": "Second"}])

    gone = build.read(User, gil.id)
    assert key != gil.id
    assert (gone.first_name, gone.version, gone.is_deleted) == ("Gil", 1, True)
    assert build.read(User, key).first_name == "Second"


def test_ac12_an_upsert_that_matches_a_foreign_row_writes_nothing(
    app: Flask, ada: Person, bea: Person, build: Builder
) -> None:
    rows = [{"email": "new@example.com", "first_name": "New"}, {"email": bea.email.upper(), "first_name": "Taken"}]

    with acting(app, ada), pytest.raises(Conflict) as raised:
        upsert_people(rows)

    assert raised.value.field == "email"
    assert bea.name not in raised.value.message
    row = build.read(User, bea.id)
    assert (row.first_name, row.organization_id, row.version) == ("Bea", bea.organization_id, 1)
    with acting(app):
        assert "new@example.com" not in everybody()


def test_ac6_an_upsert_never_changes_a_super_admin_of_the_same_organization(
    app: Flask, ada: Person, acme: Tenant, build: Builder
) -> None:
    chief = build.person("chief@example.com", role=Role.SUPER_ADMIN, tenant=acme)

    with acting(app, ada), pytest.raises(Conflict):
        upsert_people([{"email": chief.email, "role": Role.USER, "first_name": "Demoted"}])

    assert build.read(User, chief.id).role is Role.SUPER_ADMIN


def test_a_duplicate_key_in_one_upsert_is_a_conflict(app: Flask, ada: Person) -> None:
    with acting(app, ada), pytest.raises(Conflict):
        upsert_people([{"email": "twice@example.com"}, {"email": "Twice@example.com"}])


def test_an_upsert_by_the_system_cannot_move_people_between_tenants(
    app: Flask, uma: Person, birch: Tenant, build: Builder
) -> None:
    with acting(app), pytest.raises(Conflict):
        upsert_people([{"email": uma.email, "organization_id": birch.id}])

    assert build.read(User, uma.id).organization_id == uma.organization_id


def test_an_upsert_matches_people_without_a_tenant(app: Flask, root: Person) -> None:
    with acting(app):
        (key,) = upsert_people([{"email": root.email, "organization_id": None, "first_name": "Renamed"}])

    assert key == root.id


def test_organizations_can_be_created_in_a_batch(app: Flask, acme: Tenant) -> None:
    with acting(app):
        keys = command(create_many)(Organization, [{"name": "Cedar", "slug": "cedar"}])

        assert db.session.scalar(select(Organization.id).where(Organization.slug == "cedar")) == keys[0]
