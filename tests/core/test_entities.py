"""A row is loaded as the ORM loads it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import inspect, select, update
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import joinedload

from portal.core.actor import Role
from portal.core.db import command, db
from portal.core.entities import Detail
from portal.organizations.models import Organization
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

DETAIL: Any = Detail(User, [User.organization])
EVERY = {"with_deleted": True}


def state_of(row: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The loaded values of a row and of its organization, and what the session thinks of it."""
    values = {name: value for name, value in row.__dict__.items() if name not in ("_sa_instance_state", "organization")}
    about = inspect(row)
    known = ("persistent" * about.persistent, "modified" * about.modified, "expired" * about.expired)
    return values, known


@pytest.mark.parametrize("person", ["uma", "root"])
def test_a_row_is_what_the_orm_loads(app: Flask, request: pytest.FixtureRequest, root: Person, person: str) -> None:
    key = request.getfixturevalue(person).id
    with acting(app, root):
        statement = select(User).where(User.id == key).options(joinedload(User.organization))
        expected: Any = db.session.scalar(statement)
        wanted = state_of(expected), expected.organization and state_of(expected.organization)
        db.session.expunge_all()
        row = DETAIL.one(key)

        assert row in db.session
        assert (state_of(row), row.organization and state_of(row.organization)) == wanted
        assert (row.organization is None) == (person == "root")
        known: Any = db.session.get(User, key)
        assert known is row
        with pytest.raises(InvalidRequestError, match="raiseload"):
            _ = row.password
        assert "uma" in row.search_text or person == "root"


def test_it_is_scoped_and_finds_deleted_rows_only_if_asked(
    app: Flask, build: Builder, ada: Person, bea: Person, root: Person, acme: Tenant
) -> None:
    gone = build.person("gone@example.com", tenant=acme, deleted_at=datetime(2026, 1, 1, tzinfo=UTC))
    with acting(app, ada):
        assert [DETAIL.one(one.id) for one in (bea, root, gone)] == [None, None, None]
        assert DETAIL.one(gone.id, with_deleted=True).email == gone.email


def test_a_known_row_keeps_unsaved_changes_and_an_expired_one_is_read_again(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    ada = build.person("ada@example.com", role=Role.SUPER_ADMIN, first_name="Ada")
    with acting(fresh_app, ada):
        row = DETAIL.one(ada.id)
        row.first_name = "Adele"
        assert DETAIL.one(ada.id) is row
        assert row.first_name == "Adele"

        db.session.rollback()
        with acting(fresh_app):
            command(lambda: db.session.execute(update(User).values(first_name="Augusta")))()
        assert DETAIL.one(ada.id) is row
        assert row.first_name == "Augusta"


def test_related_rows_that_the_session_knows_are_the_same_objects(app: Flask, acme: Tenant, uma: Person) -> None:
    with acting(app):
        known = db.session.get(Organization, acme.id)
        row = DETAIL.one(uma.id)

        assert row.organization is known
        assert not db.session.dirty
