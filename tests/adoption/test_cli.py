"""Does the former backend's database become the portal's, whole or not at all? Is it said plainly where it can't?"""

# ruff: noqa: S608 -- the statements are made of constants alone
from __future__ import annotations

import os
import re
import subprocess
import sys
import time
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
from tests.cli.prisma_made import connect, make
from tests.database import SECRET_KEY, Server, app_for, disconnect
from tests.migrations.test_schema import catalog
from tests.pages import fields_of

MANY, FEW = 100_000, 60
CHIEF = "person1@example.com"
UNCHANGED = "othing was changed"

# The same words about the rows before and after: only types and tokens differ.
PRINTS = {
    "organizations": "SELECT id::text, name, slug, {created_at}, {updated_at}, {deleted_at} FROM organizations",
    "users": "SELECT id::text, email, password, first_name, last_name, role, is_active, email_verified,"
    " organization_id::text, {created_at}, {updated_at}, {deleted_at}, created_by::text, updated_by::text FROM users",
    "refresh_tokens": "SELECT id::text, {token}, user_id::text, organization_id::text, {created_at}, {expires_at},"
    " {revoked_at} FROM refresh_tokens",
}
BEFORE = {"token": "encode(sha256(token::bytea), 'hex')"}


def prints(address: str, *, before: bool) -> dict[str, Any]:
    """How many rows each table has, and a digest of all that they say."""
    moments = ("created_at", "updated_at", "deleted_at", "expires_at", "revoked_at")
    said = {"token": "token", **{name: f"({name} AT TIME ZONE 'UTC')::text" for name in moments}}
    if before:
        said = {name: f"{name}::timestamp(6)::text" for name in moments} | BEFORE
    with connect(address) as connection:
        return {
            table: connection.execute(
                "SELECT count(*), md5(string_agg(said::text, ';' ORDER BY said::text))"  # noqa: S608
                f" FROM ({query.format(**said)}) said".encode()
            ).fetchone()
            for table, query in PRINTS.items()
        }


def everything(address: str) -> tuple[Any, ...]:
    """The seed's rows and the schema, which a refusal leaves as they were."""
    return prints(address, before=True), catalog(address)


def run(address: str, *arguments: str, typed: str = "") -> Result:
    app = app_for(address)
    try:
        return app.test_cli_runner().invoke(args=["database", "adopt", *arguments], input=typed)
    finally:
        disconnect(app)


def said(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def seeds(database_server: Server) -> Iterator[str]:
    """The name of a small database of the seed's, to be copied."""
    make(database_server.create("seeds"), FEW)
    yield "seeds"
    database_server.drop("seeds")


@pytest.fixture
def theirs(database_server: Server, seeds: str) -> Iterator[str]:
    """The address of a small database of the seed's."""
    yield database_server.create("theirs", template=seeds)
    database_server.drop("theirs")


@pytest.fixture
def change(theirs: str) -> Callable[[str], None]:
    """Something that happened to it."""

    def run_there(statement: str) -> None:
        with connect(theirs) as connection:
            connection.execute(statement.encode())

    return run_there


@pytest.fixture(scope="module")
def taken_over(database_server: Server) -> Iterator[tuple[str, dict[str, Any], Result]]:
    """A large one after its adoption: its address, what it held before, and what was said."""
    address = database_server.create("large")
    make(address, MANY)
    before = prints(address, before=True)
    yield address, before, run(address, "--yes")
    database_server.drop("large")


@pytest.fixture
def portal(taken_over: tuple[str, dict[str, Any], Result]) -> Iterator[Flask]:
    with portal_on(taken_over[0]) as app:
        yield app


def test_an_adoption_says_how_many_came(taken_over: tuple[str, dict[str, Any], Result]) -> None:
    result = taken_over[2]

    assert result.exit_code == 0, result.output
    assert f"{MANY:,} people, 3,333 of them deleted" in result.output
    assert "Taken over: 1,000 organizations, 100,000 people, 50,000 refresh tokens." in result.stdout
    assert "Filling users ..." in result.stderr
    assert "can't" not in result.output


def test_every_row_is_there_with_all_that_it_said(taken_over: tuple[str, dict[str, Any], Result]) -> None:
    address, before, _ = taken_over

    assert prints(address, before=False) == before
    assert before["users"][0] == MANY


def test_the_schema_is_that_of_a_fresh_portal(
    taken_over: tuple[str, dict[str, Any], Result], fresh_database: str, portal: Flask
) -> None:
    ours, theirs = catalog(fresh_database), catalog(taken_over[0])

    for kind, rows in ours.items():
        assert theirs[kind] == rows, kind
    result = portal.test_cli_runner().invoke(args=["db", "check"])
    assert result.exit_code == 0, result.output


def test_triggers_are_at_work_again(taken_over: tuple[str, dict[str, Any], Result]) -> None:
    with connect(taken_over[0]) as connection:
        found = connection.execute("SELECT tgname FROM pg_trigger WHERE tgenabled <> 'O'").fetchall()

    assert found == []


def opens(app: Flask, email: str) -> bool:
    client = app.test_client()
    fields = fields_of(client.get("/login").text)
    return client.post("/login", data={**fields, "email": email, "password": PASSWORD}).status_code == 303


def test_people_sign_in_with_their_old_password(portal: Flask) -> None:
    assert opens(portal, "person2@example.com")
    assert opens(portal, "Person101@Example.com")
    assert not opens(portal, "person29@example.com")  # deleted
    assert not opens(portal, "person40@example.com")  # deactivated


def test_row_security_applies_to_adopted_people(portal: Flask) -> None:
    with acting(portal):
        admin = db.session.scalars(select(User).where(User.role == Role.ADMIN).limit(1)).one()
        own = db.session.scalars(select(func.count()).where(User.organization_id == admin.organization_id)).one()
    person = Person(admin.id, admin.email, admin.name, admin.role, admin.organization_id)
    with acting(portal, person):
        seen = db.session.connection().exec_driver_sql("SELECT organization_id FROM users WHERE deleted_at IS NULL")
        homes = seen.scalars().all()

    assert set(homes) == {admin.organization_id}
    assert len(homes) == own


def test_only_digests_of_tokens_are_stored(portal: Flask) -> None:
    with acting(portal):
        token = db.session.scalars(
            select(RefreshToken).where(RefreshToken.token == digest("token of person4@example.com"))
        ).one()
        sign_in = db.session.get(Session, token.session_id)
        assert sign_in
        person = db.session.get(User, token.user_id)
        assert person

        assert person.email == "person4@example.com"
        assert (token.organization_id, token.revoked_at) == (person.organization_id, None)
        assert (sign_in.user_id, sign_in.expires_at, sign_in.ended_at) == (person.id, token.expires_at, None)


def test_rt6_programs_go_on_with_the_refresh_token_they_have_and_not_with_a_revoked_one(portal: Flask) -> None:
    program = Program(portal)
    token = "token of person6@example.com"

    first = program.refresh(token).json
    assert first
    second = program.refresh(first["refresh_token"]).json
    assert second
    told = program.me(second["access_token"]).json
    assert told
    assert (told["email"], told["role"]) == ("person6@example.com", "USER")

    for over in ("token of person12@example.com", "token of person8@example.com.", "token of person7@example.com"):
        refused = program.refresh(over)
        assert (refused.status_code, refused.json and refused.json["code"]) == (400, "invalid_grant"), over


def test_rt2_an_adopted_token_used_again_later_ends_what_came_of_it(portal: Flask) -> None:
    program = Program(portal)
    token = "token of person10@example.com"
    unused = program.next(program.next(token))

    assert program.refresh(token).status_code == 400
    assert program.refresh(unused).status_code == 400


def test_se6_no_token_is_left_in_clear(taken_over: tuple[str, dict[str, Any], Result]) -> None:
    with connect(taken_over[0]) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'prisma_before'").fetchall()
        clear = connection.execute("SELECT count(*) FROM refresh_tokens WHERE token !~ '^[0-9a-f]{64}$'").fetchone()

    assert {name for (name,) in tables} == {"organizations", "users", "_prisma_migrations"}
    assert clear == (0,)


def test_one_event_records_the_adoption(portal: Flask) -> None:
    with acting(portal):
        event = db.session.scalars(select(Activity).where(Activity.action == "adopt")).one()
        told, who, tenant = event.changes, event.actor_role, event.organization_id
        made = db.session.scalars(select(func.count()).where(Activity.action == "create")).one()
        sealed = seal()
        troubles = doubts()

    assert told == {"organizations": [0, 1_000], "people": [0, MANY], "refresh tokens": [0, 50_000]}
    assert (who, tenant, made) == ("SYSTEM", None, 0)
    assert sealed
    assert troubles == []


def test_a_super_admin_reads_of_the_adoption(portal: Flask) -> None:
    client = portal.test_client()
    fields = fields_of(client.get("/login").text)
    client.post("/login", data={**fields, "email": CHIEF, "password": PASSWORD})

    page = said(client.get("/activity/").text)

    assert "migrated the data of the former backend" in page


def test_who_came_over_is_changed_like_anybody(portal: Flask) -> None:
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


def test_who_deleted_somebody_is_who_changed_them_last(portal: Flask) -> None:
    deleted = User.email == "person29@example.com"
    with acting(portal):
        everybody = {"with_deleted": True}
        person = db.session.scalars(select(User).where(deleted), execution_options=everybody).one()
        chief = db.session.scalars(select(User).where(User.email == CHIEF)).one()

    assert (person.created_by, person.updated_by, person.deleted_by) == (chief.id, chief.id, chief.id)


def test_a_dry_run_shows_the_same_and_changes_nothing(theirs: str) -> None:
    before = everything(theirs)

    result = run(theirs, "--dry-run")

    assert result.exit_code == 0
    assert f"{FEW} people, 2 of them deleted" in result.output
    assert "The database can be taken over. Nothing was changed." in result.output
    assert everything(theirs) == before


def test_it_asks_first_and_takes_no_for_an_answer(theirs: str) -> None:
    before = everything(theirs)

    result = run(theirs, typed="n\n")

    assert result.exit_code == 1
    assert "do you want to take the database over now? [y/N]" in result.output
    assert everything(theirs) == before
    assert run(theirs, typed="y\n").exit_code == 0


MORE = """
INSERT INTO organizations (id, name, slug, updated_at) SELECT gen_random_uuid(), n, n, now()
FROM generate_series(1, 20000) n;
INSERT INTO users (id, email, password, updated_at) SELECT gen_random_uuid(), n || '@example.com', 'x', now()
FROM generate_series(1, 20000) n;
INSERT INTO refresh_tokens (id, token, user_id, expires_at) SELECT gen_random_uuid(), email, id, now() FROM users
WHERE email !~ '^person'
"""


@pytest.mark.parametrize("is_analyzed", [True, False])
def test_no_check_compares_every_row_with_every_other(
    theirs: str, change: Callable[[str], None], is_analyzed: bool
) -> None:
    change(MORE)
    if is_analyzed:
        change("ANALYZE")
    odd = {f"Ä{n}": f"ä{n}" for n in range(20_000)}
    spelling = Spelling({f"{old}@example.com": f"{new}@example.com" for old, new in odd.items()}, odd)
    with connect(theirs) as connection:
        for what, query, _ in every_check():
            plan = connection.execute(f"EXPLAIN {counted(query)}".encode(), spelling.parameters).fetchall()
            assert not [line for (line,) in plan if "Nested Loop" in line], (what, plan)


BAD = "0e0b7d4c-6a1f-4d6e-9c43-5f2f1c7a9b10"
STOPS = {
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


@pytest.mark.parametrize("statement", STOPS)
def test_rows_that_would_not_convert_stop_it(theirs: str, change: Callable[[str], None], statement: str) -> None:
    change(statement)
    before = everything(theirs)

    results = [run(theirs, argument) for argument in ("--dry-run", "--yes")]

    for result in results:
        assert result.exit_code == 1
        assert STOPS[statement] in result.output
        assert UNCHANGED in result.output
        assert "Traceback" not in result.output
    assert everything(theirs) == before


LOOSE = "ALTER TABLE {0} DROP CONSTRAINT {0}_{1}_fkey;"
NOBODY = "3d9f2a77-1c52-4f0e-8a55-b0c1d2e3f4a5"
MENDED = {
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
        "Slugs that forms would refuse, which stay until somebody changes them: 1 (acme_)",
        "SELECT count(*) FROM organizations WHERE slug = 'acme_'",
    ),
    f"UPDATE users SET created_by = '{NOBODY}', updated_by = 'system' WHERE email = 'person2@example.com'": (
        "Values of updated_by that name nobody, and will become empty: 1 (system)",
        "SELECT count(*) FROM users WHERE email = 'person2@example.com' AND num_nulls(created_by, updated_by) = 2",
    ),
    f"{LOOSE.format('users', 'organization_id')}"
    f"UPDATE users SET organization_id = '{NOBODY}' WHERE email = 'person2@example.com'": (
        "People whose organization is missing, who will belong to none: 1 (person2@example.com)",
        "SELECT count(*) FROM users WHERE email = 'person2@example.com' AND organization_id IS NULL",
    ),
    f"{LOOSE.format('refresh_tokens', 'user_id')}"
    f"UPDATE refresh_tokens SET user_id = '{NOBODY}' WHERE token LIKE '%person1_@%'": (
        "Refresh tokens without an owner, which will be left out: 5 (",
        "SELECT (count(*) = 25)::int FROM refresh_tokens",
    ),
    "UPDATE refresh_tokens SET organization_id = NULL WHERE token LIKE '%person2@%'": (
        "Refresh tokens of another organization than their person's, which will get the person's: 1 (",
        "SELECT (count(*) = 0)::int FROM refresh_tokens WHERE organization_id IS NULL",
    ),
    "UPDATE users SET password = '$argon2id$v=19$abc' WHERE email = 'person2@example.com'": (
        "People whose password is not a bcrypt hash, who need a new one to sign in: 1 (person2@example.com)",
        "SELECT count(*) FROM users WHERE password LIKE '$argon2%'",
    ),
    "UPDATE users SET email = 'PERSON3@example.com' WHERE email = 'person29@example.com'": (  # who is deleted
        "PERSON3@example.com as person3@example.com",
        "SELECT count(*) - 1 FROM users WHERE email = 'person3@example.com'",
    ),
    "UPDATE users SET id = upper(id)": (
        "The database can be taken over",
        "SELECT (count(*) = 60 AND count(created_by) = 6)::int FROM users",
    ),
}


@pytest.mark.parametrize("statement", MENDED)
def test_what_is_mended_is_said_before(theirs: str, change: Callable[[str], None], statement: str) -> None:
    sentence, query = MENDED[statement]
    change(statement)

    shown, result = run(theirs, "--dry-run"), run(theirs, "--yes")

    assert sentence in shown.output
    assert (shown.exit_code, result.exit_code) == (0, 0), result.output
    with connect(theirs) as connection:
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
        "The portal has no place for the column users.phone, so its values would be lost.",
    "CREATE TABLE activity (id int)": "The portal needs a table activity, and there is another one with that name.",
    "CREATE TABLE posts (author text REFERENCES users)":
        "The constraint posts_author_fkey on table posts depends on the former tables.",
    "CREATE VIEW everybody AS SELECT email FROM users": "view everybody depends on the former tables.",
    "CREATE FUNCTION one() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM users; END":
        "The function one() depends on the former tables.",
    "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE TRIGGER told BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION nothing()":
        "The trigger told on table users depends on the former tables.",
    "CREATE POLICY own ON users USING (true)": "The policy own on table users depends on the former tables.",
    "CREATE SCHEMA prisma_before": "The schema prisma_before is there already, of an earlier adoption.",
    "UPDATE _prisma_migrations SET finished_at = NULL": "The Prisma migration 20240101000000_init failed.",
    "CREATE FUNCTION portal_fold(value text) RETURNS text LANGUAGE sql RETURN value":
        """The database already contains objects that the portal would create: function "portal_fold" already exists""",
}  # fmt: skip


@pytest.mark.parametrize("statement", OBSTACLES)
def test_a_database_that_is_not_the_seeds_alone_is_refused(
    theirs: str, change: Callable[[str], None], statement: str
) -> None:
    change(statement)
    before = catalog(theirs)

    result = run(theirs, "--yes")

    assert result.exit_code == 1
    assert OBSTACLES[statement] in result.output
    assert "Traceback" not in result.output
    assert catalog(theirs) == before


def test_tables_of_another_role_are_refused(theirs: str, database_server: Server) -> None:
    with connect(database_server.address("theirs", as_owner=False)) as administrator:
        administrator.execute("ALTER TABLE users OWNER TO CURRENT_USER")
        administrator.execute("GRANT ALL ON users TO PUBLIC")

    result = run(theirs, "--yes")

    assert result.exit_code == 1
    assert re.search(r"The table users belongs to the role \w+, as which DATABASE_URL can't act\.", result.output)


def test_an_extension_that_somebody_else_installed_in_another_schema_is_used(
    theirs: str, database_server: Server
) -> None:
    with connect(database_server.address("theirs", as_owner=False)) as administrator:
        administrator.execute("CREATE SCHEMA extensions")
        administrator.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
        administrator.execute("CREATE EXTENSION pg_trgm SCHEMA extensions")

    result = run(theirs, "--yes")

    assert result.exit_code == 0, result.output
    with connect(theirs) as connection:
        assert connection.execute("SELECT portal_fold('\u00c9') = portal_fold('e')").fetchone() == (True,)


def test_a_login_that_can_not_create_a_schema_gets_the_grant_to_run(theirs: str, database_server: Server) -> None:
    with connect(database_server.address("theirs", as_owner=False)) as administrator:
        administrator.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(),"
                              " current_user); END $$")  # fmt: skip

    result = run(theirs, "--yes")

    assert result.exit_code == 1
    assert "its owner must run GRANT CREATE ON DATABASE" in result.output


def test_notes_are_printed_that_do_not_prevent_the_adoption(theirs: str, change: Callable[[str], None]) -> None:
    change("GRANT SELECT ON users TO PUBLIC; UPDATE users SET is_active = false WHERE role = 'SUPER_ADMIN'")
    with connect(theirs) as former:
        former.execute("SET application_name = 'former backend'")
        shown = run(theirs, "--dry-run").output

    assert "Privileges of other roles are lost; grant them again afterwards: PUBLIC (users)." in shown
    assert "Other programs are connected, and will wait or fail: former backend." in shown
    assert "No SUPER_ADMIN can sign in" in shown


def test_what_stands_in_a_row_reaches_no_terminal_as_a_command(theirs: str, change: Callable[[str], None]) -> None:
    change("UPDATE users SET email = E'\\x1b[2JEvil@example.com\\r\\nIt can' WHERE email = 'person2@example.com'")

    shown = run(theirs, "--dry-run").output

    assert "\x1b" not in shown
    assert r"\x1b[2JEvil@example.com\r\nIt can" in shown


def test_tables_of_others_stay_as_they_are(theirs: str, change: Callable[[str], None]) -> None:
    change("CREATE TABLE posts (author text)")

    assert run(theirs, "--yes").exit_code == 0
    change("INSERT INTO posts VALUES ('nobody')")


def test_a_schema_of_uuids_and_moments_that_was_pushed_comes_over_too(
    theirs: str, change: Callable[[str], None]
) -> None:
    """As the seed's schema with @db.Uuid and @db.Timestamptz would be, made without migrations."""
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

    result = run(theirs, "--yes")

    assert result.exit_code == 0, result.output
    with connect(theirs) as connection:
        found = connection.execute(
            "SELECT created_at AT TIME ZONE 'UTC' = '2024-01-01 00:02:00.123',"
            " updated_at AT TIME ZONE 'UTC' = '2024-06-01 12:34:56.789', organization_id IS NOT NULL"
            " FROM users WHERE email = 'person2@example.com'"
        ).fetchone()
        ends = connection.execute("SELECT DISTINCT expires_at AT TIME ZONE 'UTC' FROM refresh_tokens").fetchall()

    assert found == (True, True, True)
    assert [str(end) for (end,) in ends] == ["2030-01-08 00:00:00"]


def test_a_second_one_while_one_runs_is_refused(theirs: str) -> None:
    with connect(theirs) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
        result = run(theirs, "--yes")

    assert result.exit_code == 1
    assert "A migration or another adoption is running in this database; nothing was changed." in result.output
    assert run(theirs, "--yes").exit_code == 0


def test_a_backend_that_still_writes_makes_it_give_up(theirs: str) -> None:
    before = everything(theirs)
    with connect(theirs) as former, former.transaction():
        former.execute("UPDATE users SET last_name = last_name")
        result = run(theirs, "--yes")

    assert result.exit_code == 1
    assert "The tables were in use for too long; nothing was changed. Try again." in result.output
    assert everything(theirs) == before


def test_what_changed_since_the_plan_is_looked_at_again(
    theirs: str, change: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_: Any, **__: Any) -> bool:
        change("UPDATE users SET email = 'PERSON2@example.com' WHERE email = 'person3@example.com'")
        return True

    monkeypatch.setattr("portal.adoption.cli.click.confirm", meanwhile)
    result = run(theirs)

    assert result.exit_code == 1
    assert "The database was changed in the meantime and can't be taken over; nothing was changed." in result.output
    assert "PERSON2@example.com and person2@example.com" in result.output


def test_an_adoption_that_is_killed_leaves_the_database_as_it_was(database_server: Server, tmp_path: Path) -> None:
    address = database_server.create("killed")
    make(address, 20_000)
    before = everything(address)
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "database", "adopt", "--yes"]
    environment = {**os.environ, "DATABASE_URL": address, "SECRET_KEY": SECRET_KEY, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stderr
        told = iter(process.stderr)
        assert any("Making users_email_key" in line for line in told)
        process.kill()
    wait_until_alone(address)

    assert everything(address) == before
    assert run(address, "--yes").exit_code == 0
    database_server.drop("killed")


def wait_until_alone(address: str) -> None:
    """Until the server noticed that the other end is gone."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with connect(address) as connection:
        for _ in range(600):
            if connection.execute(others.encode()).fetchone() == (0,):
                return
            time.sleep(0.1)
    pytest.fail("the killed one's connection is still there")


def test_a_row_that_would_be_lost_undoes_everything(theirs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(theirs)
    whole = takeover._users
    monkeypatch.setattr(takeover, "_users", lambda connection: f"{whole(connection)} LIMIT 59")

    result = run(theirs, "--yes")

    assert result.exit_code == 1
    assert "Only 59 of 60 rows of users could be moved; nothing was changed." in result.output
    assert everything(theirs) == before


def test_an_upgrade_of_the_former_backends_database_says_what_to_run(theirs: str) -> None:
    app = app_for(theirs)
    result = app.test_cli_runner().invoke(args=["db", "upgrade"])
    disconnect(app)

    assert result.exit_code == 1
    assert "`flask database adopt`" in result.output
    assert "Traceback" not in result.output


def test_what_was_kept_is_let_go_when_asked(theirs: str, change: Callable[[str], None]) -> None:
    assert "There are no former tables to drop." in run(theirs, "--drop").output
    run(theirs, "--yes")

    refused = run(theirs, "--drop", typed="n\n")
    assert "Tables in the schema prisma_before: _prisma_migrations, organizations, users." in refused.output
    assert refused.exit_code == 1
    change("CREATE VIEW prisma_before.mine AS SELECT id FROM prisma_before.users")
    hindered = run(theirs, "--drop", "--yes")
    assert (hindered.exit_code, "Something else depends on it" in hindered.output) == (1, True)
    change("DROP VIEW prisma_before.mine")
    assert run(theirs, "--drop", "--yes").output.endswith("Dropped.\n")
    assert "There are no former tables to drop." in run(theirs, "--drop").output


def test_an_adoption_again_is_refused(theirs: str) -> None:
    run(theirs, "--yes")

    again = run(theirs, "--yes")

    assert again.exit_code == 1
    assert "This database is already the portal's" in again.output


def test_without_database_url_nothing_is_taken_over(tmp_path: Path) -> None:
    app = create_app(Settings(secret_key=SECRET_KEY, instance=tmp_path))

    result = app.test_cli_runner().invoke(args=["database", "adopt"])

    assert result.exit_code == 1
    assert "Set DATABASE_URL to the database to take over." in result.output


def test_organizations_that_were_deleted_stay_so(portal: Flask) -> None:
    with acting(portal):
        active = db.session.scalar(select(func.count()).select_from(Organization))

    assert active == 980
