"""Prepared statements give the rows that SQLAlchemy gives, and raise its errors."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Numeric, bindparam, cast, func, literal, select
from sqlalchemy.exc import DBAPIError

from portal.core.actor import Role
from portal.core.db import db, first_as_system, read
from portal.core.prepared import prepared
from portal.core.scoping import kept
from portal.core.statements import watched
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder

ABOUT = (
    User.id, User.role, User.organization_id, User.email, User.is_active, User.created_at, User.updated_by,
    func.array_agg(User.role).over().label("roles"), cast(literal(1.5), Numeric(4, 2)).label("number"),
)  # fmt: skip
ONE = select(*ABOUT).where(User.id == bindparam("id"))


def test_its_rows_are_those_of_sqlalchemy(fresh_app: Flask) -> None:
    ada = Builder(fresh_app).person("ada@example.com", role=Role.SUPER_ADMIN)
    with acting(fresh_app), watched() as seen:
        (expected,) = db.session.execute(ONE, {"id": ada.id}, execution_options={"all_tenants": True}).all()
        found = first_as_system(ONE, id=ada.id)

    assert found._asdict() == dict(expected._mapping)
    assert [type(value) for value in found] == [type(value) for value in expected]
    assert seen[-1].text.startswith("SELECT users.id")


@pytest.mark.parametrize(
    "condition",
    [
        User.role == Role.SUPER_ADMIN,
        User.role.in_([Role.SUPER_ADMIN, Role.USER]),
        User.email.like("%a%"),
        User.first_name == "50 % off",
    ],
)
@pytest.mark.parametrize("is_kept", [True, False])
def test_every_kind_of_value_is_sent_as_sqlalchemy_sends_it(fresh_app: Flask, condition: Any, is_kept: bool) -> None:
    Builder(fresh_app).person("ada@example.com", role=Role.SUPER_ADMIN, first_name="50 % off")
    statement = select(User.role, User.first_name).where(condition)
    with acting(fresh_app):
        expected = [tuple(row) for row in db.session.execute(statement)]
        found = [tuple(row) for row in read(kept(statement) if is_kept else statement)]

    assert found == expected == [(Role.SUPER_ADMIN, "50 % off")]


def test_it_joins_a_transaction_and_begins_none(fresh_app: Flask) -> None:
    with acting(fresh_app), db.engine.connect() as connection:
        one = prepared(select(func.pg_current_xact_id().label("id")), db.engine.dialect)
        alone = [row.id for _ in range(2) for row in one.rows(connection, {})]
        connection.begin()
        together = [row.id for _ in range(2) for row in one.rows(connection, {})]

    assert len({*alone, *together}) == 3
    assert together[0] == together[1]


def test_errors_are_those_of_sqlalchemy_and_contain_no_values(fresh_app: Flask) -> None:
    divided = select((literal(1) / bindparam("secret", 0)).label("x"))
    with acting(fresh_app):
        with pytest.raises(DBAPIError) as raised:
            first_as_system(divided, secret=0)
        assert first_as_system(select(literal(1).label("one"))).one == 1

    assert "secret" not in str(raised.value.params)
    assert not raised.value.connection_invalidated
