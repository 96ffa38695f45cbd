"""Rows are stamped with the actor, however they are written."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import delete, insert, make_url, select, update
from sqlalchemy.exc import InvalidRequestError

from portal.core.actor import Role
from portal.core.batch import create_many, update_many, upsert
from portal.core.clock import now
from portal.core.db import command, copy_rows, db
from portal.core.keys import uuid7
from portal.core.models import Audited, Base, SoftDeletable, TenantOwned
from portal.organizations.models import Organization
from portal.tokens.models import RefreshToken, Session
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

FORGED_ID = uuid.UUID(int=0xBAD)
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
FORGED_STAMPS = {"created_by": FORGED_ID, "updated_by": FORGED_ID, "updated_at": LONG_AGO, "version": 77}

pytestmark = pytest.mark.usefixtures("scoping_alone")


def by_flush(values: dict[str, Any]) -> None:
    db.session.add(User(**values))
    db.session.flush()


def by_bulk_insert(values: dict[str, Any]) -> None:
    db.session.execute(insert(User), [values])


def by_batch(values: dict[str, Any]) -> None:
    create_many(User, [values])


def by_upsert(values: dict[str, Any]) -> None:
    upsert(User, [values], key="email")


def by_copy(values: dict[str, Any]) -> None:
    plain = {**values, "role": "USER"}
    copy_rows("users", list(plain), [list(plain.values())])


@pytest.mark.parametrize("write", [by_flush, by_bulk_insert, by_batch, by_upsert, by_copy])
def test_ac14_a_new_row_gets_the_actors_stamps_not_the_ones_it_was_given(
    fresh_app: Flask, write: Callable[[dict[str, Any]], None]
) -> None:
    build = Builder(fresh_app)
    tenant = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=tenant)
    key = uuid7()
    before = now() - timedelta(seconds=1)

    with acting(fresh_app, ada):
        command(write)({"id": key, "email": "new@example.com", "organization_id": tenant.id, **FORGED_STAMPS})

    row = build.read(User, key)
    assert (row.created_by, row.updated_by, row.deleted_by, row.version) == (ada.id, ada.id, None, 1)
    assert before < row.created_at <= now()
    assert before < row.updated_at <= now()


def changed_by_flush(key: uuid.UUID, values: dict[str, Any]) -> None:
    user = db.session.scalars(select(User).where(User.id == key)).one()
    for name, value in values.items():
        setattr(user, name, value)
    db.session.flush()


def changed_by_bulk_update(key: uuid.UUID, values: dict[str, Any]) -> None:
    db.session.execute(update(User).where(User.id == key).values(values))


def changed_by_batch(key: uuid.UUID, values: dict[str, Any]) -> None:
    update_many(User, [key], values)


def changed_by_upsert(key: uuid.UUID, values: dict[str, Any]) -> None:
    upsert(User, [{"email": "uma@example.com", **values}], key="email")


@pytest.mark.parametrize("write", [changed_by_flush, changed_by_bulk_update, changed_by_batch, changed_by_upsert])
def test_ac14_a_changed_row_gets_the_actors_stamps_not_the_ones_it_was_given(
    app: Flask, ada: Person, uma: Person, build: Builder, write: Callable[[uuid.UUID, dict[str, Any]], None]
) -> None:
    former = build.read(User, uma.id)
    created_at = former.created_at
    with acting(app, ada):
        command(write)(uma.id, {"first_name": "Changed", "created_at": LONG_AGO, **FORGED_STAMPS})

    row = build.read(User, uma.id)
    assert (row.first_name, row.created_by, row.updated_by, row.version) == ("Changed", None, ada.id, 2)
    assert row.created_at == created_at
    assert row.updated_at > LONG_AGO


def test_ac14_deleting_and_restoring_are_stamped(app: Flask, ada: Person, uma: Person, build: Builder) -> None:
    with acting(app, ada):
        command(changed_by_bulk_update)(uma.id, {"deleted_at": now(), "deleted_by": FORGED_ID})
    assert build.read(User, uma.id).deleted_by == ada.id

    with acting(app):
        gone = update(User).where(User.id == uma.id)
        options = {"with_deleted": True}
        command(db.session.execute)(gone.values(first_name="Renamed", deleted_by=FORGED_ID), execution_options=options)
    assert build.read(User, uma.id).deleted_by == ada.id

    with acting(app):
        command(db.session.execute)(gone.values(deleted_at=None), execution_options=options)
    assert build.read(User, uma.id).deleted_by is None


def test_ac14_changes_in_psql_are_stamped_with_the_configured_actor(fresh_app: Flask, fresh_database: str) -> None:
    tenant = Builder(fresh_app).tenant("Acme")
    ada = Builder(fresh_app).person("ada@example.com", role=Role.ADMIN, tenant=tenant)
    url = make_url(fresh_database).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as psql:

        def insert_or_update(statement: str, *values: Any) -> tuple[Any, ...]:
            stamps = " RETURNING created_by, updated_by, deleted_by, version"
            found = psql.execute((statement + stamps).encode(), values).fetchone()
            assert found is not None
            return found

        nobody = insert_or_update("INSERT INTO users (email) VALUES ('one@example.com')")
        named = insert_or_update("UPDATE users SET updated_by = %s WHERE email = 'one@example.com'", ada.id)
        psql.execute("SELECT set_config('portal.actor_id', %s, false)", [str(ada.id)])
        acted = insert_or_update("INSERT INTO users (email, created_by, version) VALUES ('b@x.org', %s, 9)", FORGED_ID)
        deleted = insert_or_update("UPDATE users SET deleted_at = now() WHERE email = 'b@x.org'")
        psql.execute("SELECT set_config('portal.actor_id', '', false)")
        unset = insert_or_update("UPDATE users SET first_name = 'B' WHERE email = 'b@x.org'")

    assert nobody == (None, None, None, 1)
    assert named == (None, ada.id, None, 2)
    assert acted == (ada.id, ada.id, None, 1)
    assert deleted == (ada.id, ada.id, ada.id, 2)
    assert unset == (ada.id, None, ada.id, 3)


def test_ac14_organizations_are_stamped_too(app: Flask, root: Person, acme: Tenant, build: Builder) -> None:
    with acting(app, root):
        command(db.session.execute)(update(Organization).values(name="Acme United"))

    row = build.read(Organization, acme.id)
    assert (row.updated_by, row.version) == (root.id, 2)


def test_a_flushed_row_has_its_stamps_without_another_query(app: Flask, ada: Person, acme: Tenant) -> None:
    with acting(app, ada):
        user = User(email="new@example.com", organization_id=acme.id)
        db.session.add(user)
        db.session.flush()

        assert (user.version, user.created_by) == (1, ada.id)

        user.first_name = "New"
        db.session.flush()

        assert user.version == 2
        db.session.rollback()


def test_the_password_is_only_loaded_on_request(app: Flask, uma: Person) -> None:
    with acting(app, uma):
        user = db.session.scalars(select(User)).one()

        with pytest.raises(InvalidRequestError):
            _ = user.password

        assert str(db.session.scalar(select(User.password))).startswith("$2b$")


def test_sessions_are_deleted_with_their_person(app: Flask, uma: Person) -> None:
    with acting(app):
        db.session.add(RefreshToken(token="one", user_id=uma.id, expires_at=now()))
        db.session.flush()
        db.session.execute(delete(User).where(User.id == uma.id))

        assert db.session.scalars(select(RefreshToken.id)).all() == []
        assert db.session.scalars(select(Session.id)).all() == []
        db.session.rollback()


def test_every_table_declares_its_rules() -> None:
    kinds = {
        mapper.class_.__name__: {
            kind for kind in (TenantOwned, Audited, SoftDeletable) if issubclass(mapper.class_, kind)
        }
        for mapper in Base.registry.mappers
    }

    assert kinds == {
        "Organization": {TenantOwned, Audited, SoftDeletable},
        "User": {TenantOwned, Audited, SoftDeletable},
        "Team": {TenantOwned, Audited, SoftDeletable},
        "TeamMember": {TenantOwned},
        "RefreshToken": {TenantOwned},
        "Session": {TenantOwned},
        "ApiToken": {TenantOwned},
        "IdempotencyKey": set(),
        "RateLimit": set(),
        "Authenticator": set(),
        "Passkey": set(),
        "RecoveryCode": set(),
        "OutboxEmail": set(),
        "Activity": {TenantOwned},
        "Operation": {TenantOwned},
        "UserTotal": {TenantOwned},
        "DailyTotal": {TenantOwned},
        "Follow": set(),
        "SearchWord": set(),
        "Unadministered": set(),
        "OrganizationSize": set(),
        "SizeChange": set(),
        "TeamSize": {TenantOwned},
        "ListArrangement": set(),
        "BrandVersion": set(),
        "SavedView": {TenantOwned, Audited, SoftDeletable},
        "Job": {TenantOwned},
        "Import": {TenantOwned},
        "ImportPart": {TenantOwned},
        "ImportRow": {TenantOwned},
    }
