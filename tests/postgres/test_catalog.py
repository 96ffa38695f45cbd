"""Comparing two schemas finds every difference, and none between equal ones."""

from __future__ import annotations

import pytest
from flask import Flask

from portal.core.db import db
from portal.postgres import catalog, migrations
from portal.postgres.catalog import Catalog, differences
from tests.database import app_for, disconnect

PASSWORD = "GRANT SELECT (password) ON users TO portal_tenant"
CHANGES = {
    "DROP INDEX users_email_key": "index users_email_key of users is missing",
    "ALTER TABLE users DISABLE TRIGGER stamp": "trigger stamp of users is changed",
    "ALTER POLICY tenant ON users USING (true)": "policy tenant of users is changed",
    "ALTER TABLE organizations DISABLE ROW LEVEL SECURITY": "row security organizations is changed",
    PASSWORD: "grant on a column password to portal_tenant of users is changed",
    "ALTER TABLE users ALTER email DROP NOT NULL": "column email of users is changed",
    "ALTER TABLE users ADD CONSTRAINT odd CHECK (true)": "constraint odd of users is added",
    "CREATE FUNCTION portal_new() RETURNS int LANGUAGE sql RETURN 1": "function portal_new of portal_new() is added",
    "ALTER TYPE \"Role\" RENAME VALUE 'USER' TO 'GUEST'": "enumeration Role is changed",
    "DROP TABLE rate_limits": "column free_at of rate_limits is missing",
}  # fmt: skip


@pytest.fixture(scope="module")
def expected() -> Catalog:
    """What the migrations create, according to an application without a database."""
    app = app_for("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with app.app_context():
        made = migrations.made_by("head")
    disconnect(app)
    return made


def found(app: Flask, *statements: str) -> Catalog:
    with app.app_context(), db.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        return catalog.read(connection)


def test_a_migrated_database_is_what_the_migrations_create(fresh_app: Flask, expected: Catalog) -> None:
    assert [str(one) for one in differences(expected, found(fresh_app))] == []
    assert {kind for kind, _, _ in expected} == set(catalog.QUERIES)


def test_every_kind_of_change_is_found(fresh_app: Flask, expected: Catalog) -> None:
    found_changes = {str(one) for one in differences(expected, found(fresh_app, *CHANGES))}

    assert set(CHANGES.values()) <= found_changes


def test_a_function_with_another_body_is_reported_as_changed(fresh_app: Flask, expected: Catalog) -> None:
    with fresh_app.app_context(), db.engine.connect() as connection:
        body = str(connection.exec_driver_sql("SELECT pg_get_functiondef('portal_plain'::regproc)").scalar_one())

    changes = [
        str(one) for one in differences(expected, found(fresh_app, body.replace("lower", "upper").replace("%", "%%")))
    ]

    assert changes == ["function portal_plain of portal_plain(text) is changed"]


def test_objects_of_other_programs_are_ignored(fresh_app: Flask, expected: Catalog) -> None:
    theirs = found(fresh_app, "CREATE TABLE theirs (id int PRIMARY KEY)", "CREATE FUNCTION f() RETURNS int RETURN 1")

    assert differences(expected, theirs) == []
