"""The former backend's database is adopted completely or not at all, with a plain message if it can't be."""

# ruff: noqa: S608 -- the statements are made of constants alone
from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from portal import create_app
from portal.activity.seals import doubts, seal
from portal.adoption import takeover
from portal.adoption.unconvertible import Spelling, counted, every_check
from portal.config import ROOT, Settings
from portal.core.actor import Role
from portal.core.db import MIGRATION_LOCK, db
from portal.core.history import Activity
from portal.organizations.models import Organization
from portal.tokens.models import RefreshToken, Session, digest
from portal.users.commands import users
from portal.users.models import User
from tests.acting import acting, portal_on
from tests.api.calling import Program
from tests.cast import PASSWORD, Person
from tests.cli.prisma_made import make
from tests.database import SECRET_KEY, Server, app_for, connect, disconnect
from tests.migrations.test_schema import catalog
from tests.pages import fields_of
from tests.waiting import until

MANY, FEW = 100_000, 60
CHIEF = "person1@example.com"
UNCHANGED = "othing was changed"

# An adoption that halts when the rows of users are moved and indexed.
HALTING = """
import sys, time
from portal import create_app
from portal.adoption import takeover
fill = takeover._fill
def halting(connection, table, *given):
    fill(connection, table, *given)
    if table == "users":
        print("halted", file=sys.__stdout__, flush=True)
        time.sleep(600)
takeover._fill = halting
create_app().test_cli_runner().invoke(args=["database", "adopt", "--yes"])
"""

# The same text for rows before and after. Only types and tokens differ.
TEXTS = {
    "organizations": "SELECT id::text, name, slug, {created_at}, {updated_at}, {deleted_at} FROM organizations",
    "users": "SELECT id::text, email, password, first_name, last_name, role, is_active, email_verified,"
    " organization_id::text, {created_at}, {updated_at}, {deleted_at}, created_by::text, updated_by::text FROM users",
    "refresh_tokens": "SELECT id::text, {token}, user_id::text, organization_id::text, {created_at}, {expires_at},"
    " {revoked_at} FROM refresh_tokens",
}
BEFORE = {"token": "encode(sha256(token::bytea), 'hex')"}


def digests(address: str, *, before: bool) -> dict[str, Any]:
    """How many rows each table has, and a digest of their content."""
    moments = ("created_at", "updated_at", "deleted_at", "expires_at", "revoked_at")
    text_of = {"token": "token", **{name: f"({name} AT TIME ZONE 'UTC')::text" for name in moments}}
    if before:
        text_of = {name: f"{name}::timestamp(6)::text" for name in moments} | BEFORE
    with connect(address) as connection:
        return {
            table: connection.execute(
                "SELECT count(*), md5(string_agg(said::text, ';' ORDER BY said::text))"  # noqa: S608
                f" FROM ({query.format(**text_of)}) said".encode()
            ).fetchone()
            for table, query in TEXTS.items()
        }


def rows_and_schema(address: str) -> tuple[Any, ...]:
    """The seed's rows and the schema, which must not change when an adoption is refused."""
    return digests(address, before=True), catalog(address)


def run(address: str, *arguments: str, typed: str = "") -> Result:
    app = app_for(address)
    try:
        return app.test_cli_runner().invoke(args=["database", "adopt", *arguments], input=typed)
    finally:
        disconnect(app)


def text_of(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def seed_database(database_server: Server) -> Iterator[str]:
    """The name of a small database in the seed's schema, to be copied."""
    make(database_server.create("seed_database"), FEW)
    yield "seed_database"
    database_server.drop("seed_database")


@pytest.fixture
def former(database_server: Server, seed_database: str) -> Iterator[str]:
    """The URL of a small database in the seed's schema."""
    yield database_server.create("former", template=seed_database)
    database_server.drop("former")


@pytest.fixture
def change(former: str) -> Callable[[str], None]:
    """Run a statement in that database."""

    def run_there(statement: str) -> None:
        with connect(former) as connection:
            connection.execute(statement.encode())

    return run_there


@pytest.fixture(scope="module")
def adopted(database_server: Server) -> Iterator[tuple[str, dict[str, Any], Result]]:
    """A large database after its adoption: its URL, its rows before, and the output."""
    address = database_server.create("large")
    make(address, MANY)
    before = digests(address, before=True)
    yield address, before, run(address, "--yes")
    database_server.drop("large")


@pytest.fixture
def portal(adopted: tuple[str, dict[str, Any], Result]) -> Iterator[Flask]:
    with portal_on(adopted[0]) as app:
        yield app


def test_an_adoption_reports_its_numbers(adopted: tuple[str, dict[str, Any], Result]) -> None:
    result = adopted[2]

    assert result.exit_code == 0, result.output
    assert f"{MANY:,} people, 3,333 of them deleted" in result.output
    assert "Taken over: 1,000 organizations, 100,000 people, 50,000 refresh tokens." in result.stdout
    assert "Filling users ..." in result.stderr
    assert "can't" not in result.output


def test_every_row_keeps_its_content(adopted: tuple[str, dict[str, Any], Result]) -> None:
    address, before, _ = adopted

    assert digests(address, before=False) == before
    assert before["users"][0] == MANY


def test_the_schema_is_that_of_a_new_portal(
    adopted: tuple[str, dict[str, Any], Result], fresh_database: str, portal: Flask
) -> None:
    ours, former = catalog(fresh_database), catalog(adopted[0])

    for kind, rows in ours.items():
        assert former[kind] == rows, kind
    result = portal.test_cli_runner().invoke(args=["db", "check"])
    assert result.exit_code == 0, result.output


def test_triggers_are_enabled_again(adopted: tuple[str, dict[str, Any], Result]) -> None:
    with connect(adopted[0]) as connection:
        found = connection.execute("SELECT tgname FROM pg_trigger WHERE tgenabled <> 'O'").fetchall()

    assert found == []


def can_sign_in(app: Flask, email: str) -> bool:
    client = app.test_client()
    fields = fields_of(client.get("/login").text)
    return client.post("/login", data={**fields, "email": email, "password": PASSWORD}).status_code == 303


def test_people_sign_in_with_their_old_password(portal: Flask) -> None:
    assert can_sign_in(portal, "person2@example.com")
    assert can_sign_in(portal, "Person101@Example.com")
    assert not can_sign_in(portal, "person29@example.com")  # deleted
    assert not can_sign_in(portal, "person40@example.com")  # deactivated


def test_row_security_applies_to_adopted_people(portal: Flask) -> None:
    with acting(portal):
        admin = db.session.scalars(select(User).where(User.role == Role.ADMIN).limit(1)).one()
        own = db.session.scalars(select(func.count()).where(User.organization_id == admin.organization_id)).one()
    person = Person(admin.id, admin.email, admin.name, admin.role, admin.organization_id)
    with acting(portal, person):
        seen = db.session.connection().exec_driver_sql("SELECT organization_id FROM users WHERE deleted_at IS NULL")
        organization_ids = seen.scalars().all()

    assert set(organization_ids) == {admin.organization_id}
    assert len(organization_ids) == own


def test_only_digests_of_tokens_are_stored(portal: Flask) -> None:
    with acting(portal):
        token = db.session.scalars(
            select(RefreshToken).where(RefreshToken.token == digest("token of person4@example.com"))
        ).one()
        session = db.session.get(Session, token.session_id)
        assert session
        person = db.session.get(User, token.user_id)
        assert person

        assert person.email == "person4@example.com"
        assert (token.organization_id, token.revoked_at) == (person.organization_id, None)
        assert (session.user_id, session.expires_at, session.ended_at) == (person.id, token.expires_at, None)


def test_rt6_programs_can_use_their_refresh_tokens_except_revoked_ones(portal: Flask) -> None:
    program = Program(portal)
    token = "token of person6@example.com"

    first = program.refresh(token).json
    assert first
    second = program.refresh(first["refresh_token"]).json
    assert second
    me = program.me(second["access_token"]).json
    assert me
    assert (me["email"], me["role"]) == ("person6@example.com", "USER")

    for invalid in ("token of person12@example.com", "token of person8@example.com.", "token of person7@example.com"):
        refused = program.refresh(invalid)
        assert (refused.status_code, refused.json and refused.json["code"]) == (400, "invalid_grant"), invalid


def test_rt2_reusing_an_adopted_token_ends_its_session(portal: Flask) -> None:
    program = Program(portal)
    token = "token of person10@example.com"
    unused = program.next(program.next(token))

    assert program.refresh(token).status_code == 400
    assert program.refresh(unused).status_code == 400


def test_se6_no_token_is_left_in_plain_text(adopted: tuple[str, dict[str, Any], Result]) -> None:
    with connect(adopted[0]) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'prisma_before'").fetchall()
        plain = connection.execute("SELECT count(*) FROM refresh_tokens WHERE token !~ '^[0-9a-f]{64}$'").fetchone()

    assert {name for (name,) in tables} == {"organizations", "users", "_prisma_migrations"}
    assert plain == (0,)


def test_one_event_records_the_adoption(portal: Flask) -> None:
    with acting(portal):
        event = db.session.scalars(select(Activity).where(Activity.action == "adopt")).one()
        changes, role, tenant = event.changes, event.actor_role, event.organization_id
        made = db.session.scalars(select(func.count()).where(Activity.action == "create")).one()
        sealed = seal()
        troubles = doubts()

    assert changes == {"organizations": [0, 1_000], "people": [0, MANY], "refresh tokens": [0, 50_000]}
    assert (role, tenant, made) == ("SYSTEM", None, 0)
    assert sealed
    assert troubles == []


def test_a_super_admin_sees_the_adoption_in_the_activity(portal: Flask) -> None:
    client = portal.test_client()
    fields = fields_of(client.get("/login").text)
    client.post("/login", data={**fields, "email": CHIEF, "password": PASSWORD})

    page = text_of(client.get("/activity/").text)

    assert "migrated the data of the former backend" in page


def test_adopted_people_can_be_changed(portal: Flask) -> None:
    with acting(portal):
        person = db.session.scalars(select(User).where(User.email == "person3@example.com")).one()
        version, former = person.version, person.last_name
        users.update(person.id, version, {"last_name": "Changed"})
    with acting(portal):
        after = db.session.get(User, person.id)
        event = db.session.scalars(select(Activity).where(Activity.row_id == person.id)).one()

    assert after
    assert (version, after.version) == (1, 2)
    assert event.changes == {"last_name": [former, "Changed"]}


def test_deleted_people_count_as_deleted_by_whoever_changed_them_last(portal: Flask) -> None:
    deleted = User.email == "person29@example.com"
    with acting(portal):
        everybody = {"with_deleted": True}
        person = db.session.scalars(select(User).where(deleted), execution_options=everybody).one()
        chief = db.session.scalars(select(User).where(User.email == CHIEF)).one()

    assert (person.created_by, person.updated_by, person.deleted_by) == (chief.id, chief.id, chief.id)


def test_a_dry_run_shows_the_plan_and_changes_nothing(former: str) -> None:
    before = rows_and_schema(former)

    result = run(former, "--dry-run")

    assert result.exit_code == 0
    assert f"{FEW} people, 2 of them deleted" in result.output
    assert "The database can be taken over. Nothing was changed." in result.output
    assert rows_and_schema(former) == before


def test_an_adoption_needs_confirmation(former: str) -> None:
    before = rows_and_schema(former)

    result = run(former, typed="n\n")

    assert result.exit_code == 1
    assert "Take over the database now? Make sure that you have a backup. [y/N]" in result.output
    assert rows_and_schema(former) == before
    assert run(former, typed="y\n").exit_code == 0


MORE = """
INSERT INTO organizations (id, name, slug, updated_at) SELECT gen_random_uuid(), n, n, now()
FROM generate_series(1, 20000) n;
INSERT INTO users (id, email, password, updated_at) SELECT gen_random_uuid(), n || '@example.com', 'x', now()
FROM generate_series(1, 20000) n;
INSERT INTO refresh_tokens (id, token, user_id, expires_at) SELECT gen_random_uuid(), email, id, now() FROM users
WHERE email !~ '^person'
"""


@pytest.mark.parametrize("is_analyzed", [True, False])
def test_no_check_compares_every_row_with_all_others(
    former: str, change: Callable[[str], None], is_analyzed: bool
) -> None:
    change(MORE)
    if is_analyzed:
        change("ANALYZE")
    spellings = {f"Ä{n}": f"ä{n}" for n in range(20_000)}
    spelling = Spelling({f"{old}@example.com": f"{new}@example.com" for old, new in spellings.items()}, spellings)
    with connect(former) as connection:
        for what, query, _ in every_check():
            plan = connection.execute(f"EXPLAIN {counted(query)}".encode(), spelling.parameters).fetchall()
            assert not [line for (line,) in plan if "Nested Loop" in line], (what, plan)


BAD = "0e0b7d4c-6a1f-4d6e-9c43-5f2f1c7a9b10"
UNCONVERTIBLE = {
    "INSERT INTO organizations VALUES ('clxyz', 'C', 'c', now(), now())":
        "Ids of organizations that aren't UUIDs: 1 (clxyz)",
    "UPDATE users SET id = 'x' || id WHERE email IN ('person7@example.com', 'person9@example.com')":
        "Ids of users that aren't UUIDs: 2 (x",
    "UPDATE refresh_tokens SET id = 'x' || id": "Ids of refresh_tokens that aren't UUIDs: 30 (x",
    f"INSERT INTO organizations VALUES ('{BAD}', 'A', 'a', now(), now()), (upper('{BAD}'), 'B', 'b', now(), now())":
        "Ids of organizations that differ only in case: 1 (",
    "UPDATE users SET email = 'PERSON2@example.com' WHERE email = 'person3@example.com'":
        "Emails of people who are not deleted that differ only in case or Unicode form:"
        " 1 (PERSON2@example.com and person2@example.com)",
    "UPDATE users SET email = 'a@bücher.example' WHERE email = 'person3@example.com';"
    "UPDATE users SET email = 'a@bu\u0308cher.example' WHERE email = 'person2@example.com'":
        "Emails of people who are not deleted that differ",
    "UPDATE organizations SET slug = 'ORGANIZATION-1' WHERE slug = 'organization-2'":
        "Slugs of organizations that are not deleted that differ",
    "UPDATE organizations SET slug = CASE slug WHEN 'organization-1' THEN 'café' ELSE 'cafe\u0301' END":
        "Slugs of organizations that are not deleted that differ",
    """ALTER TYPE "Role" ADD VALUE 'OWNER'; COMMIT; UPDATE users SET role = 'OWNER' WHERE email LIKE '%7@%'""":
        "Unknown roles: 1 (OWNER)",
    "ALTER TABLE users ALTER password DROP NOT NULL; UPDATE users SET password = NULL WHERE email LIKE '%7@%'":
        "Rows of users without a required value: 6 (",
    "UPDATE users SET created_at = 'infinity' WHERE email = 'person2@example.com'":
        "Rows of users with a date outside the years 1 to 9999: 1 (",
    "UPDATE refresh_tokens SET expires_at = '12000-01-01'":
        "Rows of refresh_tokens with a date outside the years 1 to 9999: 30 (",
}  # fmt: skip


@pytest.mark.parametrize("statement", UNCONVERTIBLE)
def test_unconvertible_rows_prevent_the_adoption(former: str, change: Callable[[str], None], statement: str) -> None:
    change(statement)
    before = rows_and_schema(former)

    results = [run(former, argument) for argument in ("--dry-run", "--yes")]

    for result in results:
        assert result.exit_code == 1
        assert UNCONVERTIBLE[statement] in result.output
        assert UNCHANGED in result.output
        assert "Traceback" not in result.output
    assert rows_and_schema(former) == before


WITHOUT_FOREIGN_KEY = "ALTER TABLE {0} DROP CONSTRAINT {0}_{1}_fkey;"
NOBODY = "3d9f2a77-1c52-4f0e-8a55-b0c1d2e3f4a5"
CONVERTED = {
    "UPDATE users SET email = 'Person2@Example.COM' WHERE email = 'person2@example.com'": (
        "Emails that will get their canonical form: 1 (Person2@Example.COM as person2@",
        "SELECT count(*) FROM users WHERE email = 'person2@example.com'",
    ),
    "UPDATE users SET email = ' a@Bücher.example' WHERE email = 'person2@example.com'": (
        "a@Bücher.example as a@xn--bcher-kva.example",
        "SELECT count(*) FROM users WHERE email = 'a@xn--bcher-kva.example'",
    ),
    "UPDATE organizations SET slug = 'Acme-Co' WHERE slug = 'organization-1'": (
        "Slugs that will be lowercased: 1 (Acme-Co as acme-co)",
        "SELECT count(*) FROM organizations WHERE slug = 'acme-co'",
    ),
    "UPDATE organizations SET slug = 'acme_' WHERE slug = 'organization-1'": (
        "Slugs that forms would refuse, which stay until they are changed: 1 (acme_)",
        "SELECT count(*) FROM organizations WHERE slug = 'acme_'",
    ),
    f"UPDATE users SET created_by = '{NOBODY}', updated_by = 'system' WHERE email = 'person2@example.com'": (
        "Values of updated_by that match no person and will become empty: 1 (system)",
        "SELECT count(*) FROM users WHERE email = 'person2@example.com' AND num_nulls(created_by, updated_by) = 2",
    ),
    f"{WITHOUT_FOREIGN_KEY.format('users', 'organization_id')}"
    f"UPDATE users SET organization_id = '{NOBODY}' WHERE email = 'person2@example.com'": (
        "People whose organization is missing, who will belong to none: 1 (person2@example.com)",
        "SELECT count(*) FROM users WHERE email = 'person2@example.com' AND organization_id IS NULL",
    ),
    f"{WITHOUT_FOREIGN_KEY.format('refresh_tokens', 'user_id')}"
    f"UPDATE refresh_tokens SET user_id = '{NOBODY}' WHERE token LIKE '%person1_@%'": (
        "Refresh tokens without an owner, which will be left out: 5 (",
        "SELECT (count(*) = 25)::int FROM refresh_tokens",
    ),
    "UPDATE refresh_tokens SET organization_id = NULL WHERE token LIKE '%person2@%'": (
        "Refresh tokens with a different organization than their person, which will get the person's: 1 (",
        "SELECT (count(*) = 0)::int FROM refresh_tokens WHERE organization_id IS NULL",
    ),
    "UPDATE users SET password = '$argon2id$v=19$abc' WHERE email = 'person2@example.com'": (
        "People whose password is not a bcrypt hash, who need a new one to sign in: 1 (person2@example.com)",
        "SELECT count(*) FROM users WHERE password LIKE '$argon2%'",
    ),
    "UPDATE users SET email = 'PERSON3@example.com' WHERE email = 'person29@example.com'": (  # a deleted person
        "PERSON3@example.com as person3@example.com",
        "SELECT count(*) - 1 FROM users WHERE email = 'person3@example.com'",
    ),
    "UPDATE users SET id = upper(id)": (
        "The database can be taken over",
        "SELECT (count(*) = 60 AND count(created_by) = 6)::int FROM users",
    ),
}


@pytest.mark.parametrize("statement", CONVERTED)
def test_conversions_are_announced_first(former: str, change: Callable[[str], None], statement: str) -> None:
    sentence, query = CONVERTED[statement]
    change(statement)

    shown, result = run(former, "--dry-run"), run(former, "--yes")

    assert sentence in shown.output
    assert (shown.exit_code, result.exit_code) == (0, 0), result.output
    with connect(former) as connection:
        assert connection.execute(query.encode()).fetchone() == (1,)


OBSTACLES = {
    "CREATE TABLE alembic_version (version_num text)": "This database is already the portal's",
    "DROP TABLE refresh_tokens, users, organizations": "For a new portal, run `flask db upgrade`",
    "DROP TABLE refresh_tokens": "This is not the former backend's database: the table refresh_tokens is missing.",
    "ALTER TABLE users DROP COLUMN email_verified":
        "This is not the former backend's database: the column users.email_verified is missing.",
    "ALTER TABLE users ALTER is_active DROP DEFAULT, ALTER is_active TYPE text":
        "This is not the former backend's database: users.is_active has the type text.",
    "ALTER TABLE users ADD COLUMN phone text":
        "The portal has no column for users.phone, so its values would be lost.",
    "CREATE TABLE activity (id int)": "The database already contains a table activity, which the portal would create.",
    "CREATE TABLE posts (author text REFERENCES users)":
        "The constraint posts_author_fkey on table posts depends on the former tables.",
    "CREATE VIEW everybody AS SELECT email FROM users": "view everybody depends on the former tables.",
    "CREATE FUNCTION one() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM users; END":
        "The function one() depends on the former tables.",
    "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER told BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION nothing()":
        "The trigger told on table users depends on the former tables.",
    "CREATE POLICY own ON users USING (true)": "The policy own on table users depends on the former tables.",
    "CREATE SCHEMA prisma_before": "The schema prisma_before of an earlier adoption still exists.",
    "UPDATE _prisma_migrations SET finished_at = NULL": "The Prisma migration 20240101000000_init failed.",
    "CREATE FUNCTION portal_fold(value text) RETURNS text LANGUAGE sql RETURN value":
        """The database already contains objects that the portal would create: function "portal_fold" already exists""",
}  # fmt: skip


@pytest.mark.parametrize("statement", OBSTACLES)
def test_a_database_that_is_not_just_the_seeds_is_refused(
    former: str, change: Callable[[str], None], statement: str
) -> None:
    change(statement)
    before = catalog(former)

    result = run(former, "--yes")

    assert result.exit_code == 1
    assert OBSTACLES[statement] in result.output
    assert "Traceback" not in result.output
    assert catalog(former) == before


def test_tables_of_another_role_are_refused(former: str, database_server: Server) -> None:
    with connect(database_server.address("former", as_owner=False)) as administrator:
        administrator.execute("ALTER TABLE users OWNER TO CURRENT_USER")
        administrator.execute("GRANT ALL ON users TO PUBLIC")

    result = run(former, "--yes")

    assert result.exit_code == 1
    assert re.search(
        r"The table users belongs to the role \w+, which the login of DATABASE_URL can't switch to\.", result.output
    )


def test_an_extension_in_another_schema_is_used(former: str, database_server: Server) -> None:
    with connect(database_server.address("former", as_owner=False)) as administrator:
        administrator.execute("CREATE SCHEMA extensions")
        administrator.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
        administrator.execute("CREATE EXTENSION pg_trgm SCHEMA extensions")

    result = run(former, "--yes")

    assert result.exit_code == 0, result.output
    with connect(former) as connection:
        assert connection.execute("SELECT portal_fold('\u00c9') = portal_fold('e')").fetchone() == (True,)


def test_a_login_that_cannot_create_a_schema_gets_the_grant_to_run(former: str, database_server: Server) -> None:
    with connect(database_server.address("former", as_owner=False)) as administrator:
        administrator.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(),"
                              " current_user); END $$")  # fmt: skip

    result = run(former, "--yes")

    assert result.exit_code == 1
    assert "its owner must run GRANT CREATE ON DATABASE" in result.output


def test_warnings_do_not_prevent_the_adoption(former: str, change: Callable[[str], None]) -> None:
    change("GRANT SELECT ON users TO PUBLIC; UPDATE users SET is_active = false WHERE role = 'SUPER_ADMIN'")
    with connect(former) as backend:
        backend.execute("SET application_name = 'former backend'")
        shown = run(former, "--dry-run").output

    assert "Privileges of other roles will be lost. Grant them again afterwards: PUBLIC (users)." in shown
    assert "Other programs are connected and will wait or fail: former backend." in shown
    assert "There is no SUPER_ADMIN who can sign in" in shown


def test_control_characters_in_rows_are_escaped_in_the_output(former: str, change: Callable[[str], None]) -> None:
    change("UPDATE users SET email = E'\\x1b[2JEvil@example.com\\r\\nIt can' WHERE email = 'person2@example.com'")

    shown = run(former, "--dry-run").output

    assert "\x1b" not in shown
    assert r"\x1b[2JEvil@example.com\r\nIt can" in shown


def test_other_tables_are_left_unchanged(former: str, change: Callable[[str], None]) -> None:
    change("CREATE TABLE posts (author text)")

    assert run(former, "--yes").exit_code == 0
    change("INSERT INTO posts VALUES ('nobody')")


def test_a_schema_with_uuids_and_timestamps_without_migrations_is_adopted_too(
    former: str, change: Callable[[str], None]
) -> None:
    """The seed's schema with @db.Uuid and @db.Timestamptz, created by `prisma db push`."""
    change("""
        DROP TABLE _prisma_migrations;
        ALTER TABLE users DROP CONSTRAINT users_organization_id_fkey;
        ALTER TABLE refresh_tokens DROP CONSTRAINT refresh_tokens_user_id_fkey,
            DROP CONSTRAINT refresh_tokens_organization_id_fkey;
        SET timezone = 'Asia/Tokyo';
        ALTER TABLE organizations ALTER id TYPE uuid USING id::uuid;
        ALTER TABLE users ALTER id TYPE uuid USING id::uuid,
            ALTER organization_id TYPE uuid USING organization_id::uuid,
            ALTER created_at TYPE timestamptz USING created_at AT TIME ZONE 'UTC';
        ALTER TABLE refresh_tokens ALTER user_id TYPE uuid USING user_id::uuid;
        ALTER TABLE refresh_tokens ALTER expires_at TYPE timestamptz USING expires_at AT TIME ZONE 'UTC';
    """)

    result = run(former, "--yes")

    assert result.exit_code == 0, result.output
    with connect(former) as connection:
        found = connection.execute(
            "SELECT created_at AT TIME ZONE 'UTC' = '2024-01-01 00:02:00.123',"
            " updated_at AT TIME ZONE 'UTC' = '2024-06-01 12:34:56.789', organization_id IS NOT NULL"
            " FROM users WHERE email = 'person2@example.com'"
        ).fetchone()
        ends = connection.execute("SELECT DISTINCT expires_at AT TIME ZONE 'UTC' FROM refresh_tokens").fetchall()

    assert found == (True, True, True)
    assert [str(end) for (end,) in ends] == ["2030-01-08 00:00:00"]


def test_a_second_adoption_at_the_same_time_is_refused(former: str) -> None:
    with connect(former) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        result = run(former, "--yes")

    assert result.exit_code == 1
    assert "A migration or another adoption is running in this database. Nothing was changed." in result.output
    assert run(former, "--yes").exit_code == 0


def test_an_adoption_gives_up_while_the_former_backend_writes(former: str) -> None:
    before = rows_and_schema(former)
    with connect(former) as backend, backend.transaction():
        backend.execute("UPDATE users SET last_name = last_name")
        result = run(former, "--yes")

    assert result.exit_code == 1
    assert "The tables were in use for too long; nothing was changed. Try again." in result.output
    assert rows_and_schema(former) == before


def test_changes_since_the_plan_are_checked_again(
    former: str, change: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_: Any, **__: Any) -> bool:
        change("UPDATE users SET email = 'PERSON2@example.com' WHERE email = 'person3@example.com'")
        return True

    monkeypatch.setattr("portal.adoption.cli.click.confirm", meanwhile)
    result = run(former)

    assert result.exit_code == 1
    assert (
        "The database was changed in the meantime and can't be taken over. The adoption changed nothing."
        in result.output
    )
    assert "PERSON2@example.com and person2@example.com" in result.output


def test_a_killed_adoption_leaves_the_database_unchanged(database_server: Server, tmp_path: Path) -> None:
    address = database_server.create("killed")
    make(address, 20_000)
    before = rows_and_schema(address)
    environment = {**os.environ, "DATABASE_URL": address, "SECRET_KEY": SECRET_KEY}
    command = [sys.executable, "-c", HALTING]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout
        assert process.stdout.readline() == "halted\n"
        process.kill()
    wait_until_alone(address)

    assert rows_and_schema(address) == before
    assert run(address, "--yes").exit_code == 0
    database_server.drop("killed")


def wait_until_alone(address: str) -> None:
    """Wait until the server noticed that the client is gone."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with connect(address) as connection:
        until(lambda: connection.execute(others.encode()).fetchone() == (0,), "the killed adoption is still connected")


def test_a_row_that_would_be_lost_undoes_the_adoption(former: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows_and_schema(former)
    whole = takeover._users
    monkeypatch.setattr(takeover, "_users", lambda connection: f"{whole(connection)} LIMIT 59")

    result = run(former, "--yes")

    assert result.exit_code == 1
    assert "Only 59 of 60 rows of users could be moved. Nothing was changed." in result.output
    assert rows_and_schema(former) == before


def test_upgrading_the_former_database_names_the_command_to_run(former: str) -> None:
    app = app_for(former)
    result = app.test_cli_runner().invoke(args=["db", "upgrade"])
    disconnect(app)

    assert result.exit_code == 1
    assert "`flask database adopt`" in result.output
    assert "Traceback" not in result.output


def test_former_tables_can_be_dropped(former: str, change: Callable[[str], None]) -> None:
    assert "There are no former tables to drop." in run(former, "--drop").output
    run(former, "--yes")

    refused = run(former, "--drop", typed="n\n")
    assert "Tables in the schema prisma_before: _prisma_migrations, organizations, users." in refused.output
    assert refused.exit_code == 1
    change("CREATE VIEW prisma_before.mine AS SELECT id FROM prisma_before.users")
    blocked = run(former, "--drop", "--yes")
    assert (blocked.exit_code, "Something else depends on it" in blocked.output) == (1, True)
    change("DROP VIEW prisma_before.mine")
    assert run(former, "--drop", "--yes").output.endswith("Dropped.\n")
    assert "There are no former tables to drop." in run(former, "--drop").output


def test_a_second_adoption_is_refused(former: str) -> None:
    run(former, "--yes")

    again = run(former, "--yes")

    assert again.exit_code == 1
    assert "This database is already the portal's" in again.output


def test_an_adoption_needs_a_database_url(tmp_path: Path) -> None:
    app = create_app(Settings(secret_key=SECRET_KEY, instance=tmp_path))

    result = app.test_cli_runner().invoke(args=["database", "adopt"])

    assert result.exit_code == 1
    assert "Set DATABASE_URL to the database to take over." in result.output


def test_deleted_organizations_stay_deleted(portal: Flask) -> None:
    with acting(portal):
        active = db.session.scalar(select(func.count()).select_from(Organization))

    assert active == 980
