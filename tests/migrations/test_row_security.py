"""Row-level security is set up by every kind of login, or the missing statements are named."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import psycopg
import pytest
from sqlalchemy import make_url

from portal.config import ROOT
from portal.core.db import db
from portal.core.row_security import TENANT_ROLE
from portal.postgres.embedded import Embedded
from portal.postgres.roles import ROLES
from tests.acting import acting, portal_on
from tests.cast import Builder
from tests.database import SECRET_KEY

ADVICE = "An administrator of the PostgreSQL server must run this once, then upgrade again:"
CREATE = [f"CREATE ROLE {role} NOLOGIN" for role in ROLES]
GRANT = [f"GRANT {role} TO migrator WITH INHERIT FALSE, SET TRUE" for role in ROLES]
ANY = "|".join(ROLES)
BOTH = [statement for pair in zip(CREATE, GRANT, strict=True) for statement in pair]

Run = Callable[[str], Any]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A server for this module, because roles belong to the whole server."""
    with (
        tempfile.TemporaryDirectory(prefix="portal-test-", ignore_cleanup_errors=True) as folder,
        Embedded(Path(folder) / "postgres", durable=False).running() as url,
    ):
        yield url


@pytest.fixture
def administrator(cluster: str) -> Iterator[Run]:
    """Run statements as the server's superuser, and restore the server afterwards."""
    url = make_url(cluster).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        yield lambda statement: connection.execute(statement.encode())
        connection.execute("DROP DATABASE IF EXISTS theirs WITH (FORCE)")
        connection.execute(f"DROP ROLE IF EXISTS migrator, {', '.join(ROLES)}".encode())


def address_of(cluster: str, administrator: Run, *attributes: str) -> str:
    """The URL of an empty database whose owner has these attributes."""
    administrator(f"CREATE ROLE migrator LOGIN PASSWORD 'migrator' {' '.join(attributes)}")
    administrator("CREATE DATABASE theirs OWNER migrator")
    theirs = make_url(cluster).set(username="migrator", password="migrator", database="theirs")
    return theirs.render_as_string(hide_password=False)


def upgrade(address: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    environment = {**os.environ, "DATABASE_URL": address, "SECRET_KEY": SECRET_KEY}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)  # noqa: S603
    return done.returncode, done.stdout + done.stderr


def advice(*statements: str) -> str:
    return f"{ADVICE}\n" + "".join(f"    {one};\n" for one in statements)


def is_effective(address: str) -> bool:
    """Whether an ADMIN's transaction sees only their own people, without scoping."""
    with portal_on(address) as app:
        build = Builder(app)
        ada = build.person("ada@example.com", tenant=build.tenant("Acme"))
        build.person("bea@example.com", tenant=build.tenant("Birch"))
        with acting(app, ada):
            found = db.session.connection().exec_driver_sql("SELECT email FROM users").scalars().all()
    return found == ["ada@example.com"]


@pytest.mark.parametrize("attribute", ["SUPERUSER", "CREATEROLE"])
def test_ac15_a_login_that_can_create_roles_needs_no_administrator(
    cluster: str, administrator: Run, attribute: str
) -> None:
    address = address_of(cluster, administrator, attribute)

    code, output = upgrade(address)

    assert code == 0, output
    assert is_effective(address)


def test_ac15_a_plain_owner_gets_the_statements_to_run_and_can_continue_afterwards(
    cluster: str, administrator: Run
) -> None:
    address = address_of(cluster, administrator)

    code, output = upgrade(address)

    assert code == 1
    assert output.endswith(advice(*BOTH))
    assert "Traceback" not in output
    for statement in BOTH:
        administrator(statement)
    assert upgrade(address)[0] == 0
    assert is_effective(address)


def test_ac15_a_plain_owner_gets_only_the_missing_statements(cluster: str, administrator: Run) -> None:
    address = address_of(cluster, administrator)
    for statement in (*CREATE, GRANT[0]):
        administrator(statement)

    code, output = upgrade(address)

    assert code == 1
    assert output.endswith(advice(GRANT[1]))


@pytest.mark.parametrize("attribute", ["LOGIN", "SUPERUSER", "BYPASSRLS", "CREATEROLE"])
@pytest.mark.parametrize("role", ROLES)
def test_ac15_a_role_with_too_many_privileges_is_refused(
    cluster: str, administrator: Run, role: str, attribute: str
) -> None:
    address = address_of(cluster, administrator)
    for statement in BOTH:
        administrator(statement)
    administrator(f"ALTER ROLE {role} {attribute}")

    code, output = upgrade(address)

    assert code == 1
    assert "must be NOLOGIN without other attributes" in output


def test_ac15_a_downgrade_revokes_the_grants_and_keeps_the_role(cluster: str, administrator: Run) -> None:
    address = address_of(cluster, administrator, "CREATEROLE")
    with portal_on(address) as app, app.app_context():
        flask_migrate.upgrade()
        assert granted(address)
        flask_migrate.downgrade(revision="0002_sessions")
        assert granted(address) == set()
        assert policies_and_tables(address) == set()
        flask_migrate.upgrade()

    assert administrator(f"SELECT FROM pg_roles WHERE rolname = '{TENANT_ROLE}'").fetchone() == ()  # noqa: S608
    assert is_effective(address)


def granted(address: str) -> set[str]:
    """The objects of this database on which the roles have privileges."""
    return rows_of(
        address,
        f"""
        SELECT oid::regclass::text FROM pg_class WHERE relacl::text ~ '({ANY})='
        UNION SELECT attrelid::regclass::text FROM pg_attribute WHERE attacl::text ~ '({ANY})='
        UNION SELECT nspname FROM pg_namespace WHERE nspacl::text ~ '({ANY})='
        UNION SELECT proname FROM pg_proc WHERE proacl::text ~ '({ANY})='""",  # noqa: S608
    )


def policies_and_tables(address: str) -> set[str]:
    return rows_of(address, "SELECT relname FROM pg_class WHERE relrowsecurity UNION SELECT polname FROM pg_policy")


def rows_of(address: str, query: str) -> set[str]:
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        return {str(name) for (name,) in connection.execute(query.encode())}
