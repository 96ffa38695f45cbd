"""AC15: row-level security is effective by itself, whether the portal connects as a plain owner or as a superuser."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import errors as pg
from sqlalchemy import Connection, insert, text
from sqlalchemy.exc import DBAPIError

from portal.core.actor import SYSTEM, Role
from portal.core.batch import create_many
from portal.core.db import acting_as, db
from portal.core.errors import NotAllowed
from portal.core.keys import uuid7
from portal.core.models import Base, TenantOwned
from portal.core.row_security import READER_ROLE, TENANT_ROLE
from portal.features import RESOURCES
from portal.isolation.cli import walked
from portal.isolation.rehearsal import rolled_back, without_filters
from portal.resources.samples import SampleTenant, Texts
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting, portal_on, run_concurrently
from tests.cast import Builder, Person, Tenant
from tests.database import Server, app_for, disconnect

LOGINS = ("plain owner", "superuser")
OWNED = {
    str(mapper.local_table): mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, TenantOwned)
}
DENIED = pg.InsufficientPrivilege
_copies = itertools.count()


@dataclass
class World:
    """Two tenants and their people."""

    app: Flask
    acme: Tenant
    birch: Tenant
    ada: Person
    uma: Person
    bea: Person
    sue: Person
    root: Person

    @contextmanager
    def sql(self, person: Person | None) -> Iterator[Connection]:
        """Plain SQL as this person, which scoping doesn't filter. None is the system."""
        with acting(self.app, person):
            yield db.session.connection()

    def emails(self, person: Person | None) -> set[str]:
        with self.sql(person) as connection:
            return set(connection.scalars(text("SELECT email FROM users")))


def create_world(app: Flask) -> World:
    build = Builder(app)
    acme, birch = build.tenant("Acme"), build.tenant("Birch")
    return World(
        app,
        acme,
        birch,
        ada=build.person("ada@example.com", role=Role.ADMIN, tenant=acme),
        uma=build.person("uma@example.com", tenant=acme),
        bea=build.person("bea@example.com", role=Role.ADMIN, tenant=birch),
        sue=build.person("sue@example.com", role=Role.SUPER_ADMIN, tenant=acme),
        root=build.person("root@example.com", role=Role.SUPER_ADMIN),
    )


@contextmanager
def copy_of(server: Server, template: str, login: str) -> Iterator[str]:
    name = f"isolated{next(_copies)}"
    server.create(name, template=template)
    try:
        yield server.address(name, as_owner=login == "plain owner")
    finally:
        server.drop(name)


@pytest.fixture(scope="module", params=LOGINS)
def portal(request: pytest.FixtureRequest, database_server: Server, template_database: str) -> Iterator[Flask]:
    """A portal that connects to its database in one of the two ways."""
    with copy_of(database_server, template_database, request.param) as address:
        app = app_for(address)
        yield app
        disconnect(app)


@pytest.fixture
def world(portal: Flask) -> Iterator[World]:
    """The cast in that portal, rolled back after each test."""
    with portal.app_context():
        engine = db.engine
    with rolled_back(engine):
        yield create_world(portal)


@pytest.fixture(params=LOGINS)
def address(request: pytest.FixtureRequest, database_server: Server, template_database: str) -> Iterator[str]:
    """The URL of a database for one test, where commits are real."""
    with copy_of(database_server, template_database, request.param) as address:
        yield address


# The catalog


def test_ac15_the_logins_have_the_expected_privileges(portal: Flask, request: pytest.FixtureRequest) -> None:
    is_superuser = text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")

    with acting(portal):
        assert db.session.scalar(is_superuser) is ("superuser" in request.node.name)


def test_ac15_the_expected_tables_are_tenant_owned() -> None:
    assert set(OWNED) >= {"organizations", "users", "sessions", "refresh_tokens", "api_tokens", "activity"}


@pytest.mark.parametrize("table", sorted(OWNED))
def test_ac15_every_tenant_owned_table_has_the_policy_of_its_model(world: World, table: str) -> None:
    with world.sql(None) as connection:
        security = text("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = CAST(:name AS regclass)")
        assert connection.execute(security, {"name": table}).one() == (True, False)

        connection.exec_driver_sql(
            f"CREATE POLICY stated ON {table} TO {TENANT_ROLE} USING ({OWNED[table].row_policy()})"
        )

        policies = text(
            "SELECT polname, polcmd::text, polpermissive, polroles::regrole[]::text, pg_get_expr(polqual, polrelid)"
            " FROM pg_policy WHERE polrelid = CAST(:name AS regclass)"
            " AND polroles <> ARRAY[CAST(CAST(:reader AS regrole) AS oid)] ORDER BY polname"  # not for tenants
        )
        stated, *existing = [tuple(row) for row in connection.execute(policies, {"name": table, "reader": READER_ROLE})]
        assert stated[0] == "stated"
        assert existing == [("tenant", *stated[1:])]


def test_ac15_nothing_is_granted_without_a_policy(world: World) -> None:
    granted = f"""
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND CASE
            WHEN c.relkind = 'S' THEN has_sequence_privilege('{TENANT_ROLE}', c.oid, 'USAGE, SELECT, UPDATE')
            ELSE has_any_column_privilege('{TENANT_ROLE}', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
                OR has_table_privilege('{TENANT_ROLE}', c.oid, 'DELETE, TRUNCATE, TRIGGER') END
            AND NOT (c.relrowsecurity OR coalesce('security_invoker=true' = ANY (c.reloptions), false))"""  # noqa: S608
    with world.sql(None) as connection:
        assert connection.scalars(text(granted)).all() == []
        connection.exec_driver_sql("CREATE VIEW everybody AS SELECT * FROM users")
        connection.exec_driver_sql("CREATE TABLE unbounded (id int)")
        connection.exec_driver_sql(f"GRANT SELECT ON everybody, unbounded TO {TENANT_ROLE}")
        assert set(connection.scalars(text(granted))) == {"everybody", "unbounded"}


def test_ac15_tenants_can_only_call_these_functions_of_the_owner(world: World) -> None:
    callable_ones = f"""
        SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
            AND has_function_privilege('{TENANT_ROLE}', oid, 'EXECUTE')"""  # noqa: S608
    known = {
        "portal_find_users",
        "portal_send_later",
        "portal_work_later",
        "portal_check_import",
        "portal_similar_words",
    }
    with world.sql(None) as connection:
        assert set(connection.scalars(text(callable_ones))) == known


def test_ac15_the_search_function_finds_only_an_admins_own_people(world: World) -> None:
    found = text(
        "SELECT id FROM portal_find_users(ARRAY['example'], '{}', 'any', CASE WHEN CAST(:organization AS text)"
        " IS NULL THEN '{}' ELSE jsonb_build_object('organizations', ARRAY[CAST(:organization AS text)]) END,"
        " 'name', false, NULL, NULL, 100)"
    )
    for person, own in (
        (world.ada, {world.ada.id, world.uma.id}),
        (world.bea, {world.bea.id}),
        (world.uma, set[Any]()),
    ):
        with world.sql(person) as connection:
            assert set(connection.scalars(found, {"organization": None})) == own
            foreign = world.acme if person is world.bea else world.birch
            assert connection.scalars(found, {"organization": str(foreign.id)}).all() == []
    with world.sql(world.root) as connection:  # who isn't limited to a tenant
        assert len(set(connection.scalars(found, {"organization": None}))) == 5
        assert set(connection.scalars(found, {"organization": str(world.birch.id)})) == {world.bea.id}


def test_ac15_the_tenant_role_has_no_privileges_of_its_own(world: World) -> None:
    may = "rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
    attributes = f"SELECT {may} FROM pg_roles WHERE rolname = '{TENANT_ROLE}'"  # noqa: S608
    memberships = f"SELECT count(*) FROM pg_auth_members WHERE member = '{TENANT_ROLE}'::regrole"  # noqa: S608
    owned = f"SELECT count(*) FROM pg_class WHERE relowner = '{TENANT_ROLE}'::regrole"  # noqa: S608
    with world.sql(None) as connection:
        assert connection.execute(text(attributes)).one() == (False,) * 6
        assert connection.scalar(text(memberships)) == 0
        assert connection.scalar(text(owned)) == 0


# Reading


def test_ac15_plain_sql_shows_each_actor_their_own_tenant(world: World) -> None:
    own = {"ada@example.com", "uma@example.com"}

    assert world.emails(world.ada) == own
    assert world.emails(world.uma) == own  # the policy is the tenant's; scoping limits a USER to one row
    assert world.emails(world.bea) == {"bea@example.com"}
    assert len(world.emails(world.root)) == len(world.emails(None)) == 5


@pytest.mark.parametrize("table", sorted(OWNED))
@pytest.mark.parametrize("setting", ["never set", "empty"])
def test_ac15_without_a_setting_the_tenant_role_sees_no_rows(world: World, table: str, setting: str) -> None:
    count = text(f"SELECT count(*) FROM {table}")  # noqa: S608 -- our own table
    with world.sql(None) as connection:
        begun = text("INSERT INTO refresh_tokens (token, user_id, expires_at) VALUES ('t', :uma, now())")
        connection.execute(begun, {"uma": world.uma.id})
        made = text(
            "INSERT INTO api_tokens (token, user_id, name, beginning, scopes, expires_at)"
            " VALUES ('t', :uma, 'n', 'p', '{}', now())"
        )
        connection.execute(made, {"uma": world.uma.id})
        job = text("INSERT INTO jobs (owner_id, kind, title) VALUES (:uma, 'k', 't')")
        connection.execute(job, {"uma": world.uma.id})
        imported = (
            "WITH one AS (INSERT INTO imports (owner_id, name, form, headings, fields)"
            " VALUES (:uma, 'n', 'f', '{}', '{}') RETURNING id)"
            ", part AS (INSERT INTO import_parts (import_id, number, content) SELECT id, 1, '' FROM one)"
            " INSERT INTO import_rows (import_id, number, line, verdict) SELECT id, 1, 1, 'create' FROM one"
        )
        connection.execute(text(imported), {"uma": world.uma.id})
        for resource in (RESOURCES[name] for name in RESOURCES.keys() - {"organizations", "users"}):
            for model, row in resource.samples(SampleTenant(world.acme.id, {"user": world.uma.id}, Texts("a", "b"))):
                connection.execute(insert(model.__table__).values(row))
        assert connection.scalar(count)
        if setting == "empty":
            connection.exec_driver_sql("SELECT set_config('portal.organization_id', '', true)")
        connection.exec_driver_sql(f"SET LOCAL ROLE {TENANT_ROLE}")

        assert connection.scalar(count) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT password FROM users",
        "SELECT token FROM refresh_tokens",
        "SELECT token FROM sessions",
        "INSERT INTO api_tokens SELECT * FROM api_tokens",
        "SELECT * FROM idempotency_keys",
        "SELECT token FROM api_tokens",
        "SELECT user_id FROM authenticators",
        "SELECT user_id FROM passkeys",
        "SELECT user_id FROM recovery_codes",
        "UPDATE api_tokens SET scopes = '{users:write}'",
        "SELECT * FROM activity_leaves",
        "SELECT * FROM outbox_emails",
        "SELECT * FROM queue.procrastinate_jobs",
        "SELECT * FROM activity_repeats",
        "SELECT * FROM alembic_version",
    ],
)
def test_ac15_secrets_and_other_tables_cannot_be_read(world: World, statement: str) -> None:
    with world.sql(world.ada) as connection:
        assert refused(connection, statement) is DENIED


def test_ac15_copy_and_security_invoker_views_show_only_the_actors_tenant(world: World) -> None:
    with world.sql(None) as connection:
        connection.exec_driver_sql("CREATE VIEW everybody WITH (security_invoker = true) AS SELECT email FROM users")
        connection.exec_driver_sql(f"GRANT SELECT ON everybody TO {TENANT_ROLE}")
        db.session.commit()
    with world.sql(world.bea) as connection:
        assert connection.scalars(text("SELECT email FROM everybody")).all() == ["bea@example.com"]
        driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
        with driver.cursor() as cursor, cursor.copy("COPY users (email) TO STDOUT") as copy:
            assert list(copy.rows()) == [("bea@example.com",)]


# Writing


def refused(connection: Connection, statement: str, **values: Any) -> type[Exception] | None:
    """The error with which PostgreSQL refuses the statement, or None."""
    try:
        with connection.begin_nested():
            connection.execute(text(statement), values)
    except DBAPIError as error:
        return type(error.orig or error)
    return None


INSERT = "INSERT INTO users (id, email, organization_id, role) VALUES (:id, :email, :organization, :role) RETURNING id"


def new(tenant: Tenant | None, *, role: str = "USER", email: str = "new@example.com") -> dict[str, Any]:
    return {"id": uuid7(), "email": email, "organization": tenant.id if tenant else None, "role": role}


def test_ac15_rows_can_only_be_inserted_into_the_actors_tenant(world: World) -> None:
    with world.sql(world.ada) as connection:
        assert refused(connection, INSERT, **new(world.birch)) is DENIED
        assert refused(connection, INSERT, **new(None)) is DENIED
        assert refused(connection, INSERT, **new(world.acme, role="SUPER_ADMIN")) is DENIED
        assert refused(connection, "INSERT INTO organizations (name, slug) VALUES ('Third', 'third')") is DENIED
        assert refused(connection, INSERT, **new(world.acme)) is None


def test_ac15_without_a_setting_nothing_can_be_inserted(world: World) -> None:
    with world.sql(None) as connection:
        connection.exec_driver_sql(f"SET LOCAL ROLE {TENANT_ROLE}")

        assert refused(connection, INSERT, **new(world.acme)) is DENIED
        assert refused(connection, INSERT, **new(None)) is DENIED


def test_ac15_people_cannot_be_moved_promoted_or_given_another_key(world: World) -> None:
    uma = {"uma": world.uma.id}
    with world.sql(world.ada) as connection:
        for change in (
            f"organization_id = '{world.birch.id}'",
            "organization_id = NULL",
            "id = gen_random_uuid()",
            "created_by = id",
            "role = 'SUPER_ADMIN'",
        ):
            assert refused(connection, f"UPDATE users SET {change} WHERE id = :uma", **uma) is DENIED, change  # noqa: S608
        assert refused(connection, "UPDATE users SET role = 'ADMIN' WHERE id = :uma", **uma) is None


def test_ac15_foreign_and_hidden_rows_cannot_be_changed_locked_or_deleted(world: World) -> None:
    foreign = {"ids": [world.bea.id, world.sue.id, world.root.id]}
    with world.sql(world.ada) as connection:
        changed = text("UPDATE users SET first_name = 'Changed' WHERE id = ANY (:ids) RETURNING id")
        assert connection.execute(changed, foreign).all() == []
        locked = text("SELECT id FROM users WHERE id = ANY (:ids) FOR UPDATE")
        assert connection.execute(locked, foreign).all() == []
        everybody = connection.execute(text("UPDATE users SET first_name = 'Changed'"))
        assert everybody.rowcount == 2
        renamed = connection.execute(text("UPDATE organizations SET name = 'Changed' RETURNING id")).scalars().all()
        assert renamed == [world.acme.id]
        for statement in (
            "DELETE FROM users",
            "DELETE FROM organizations",
            "TRUNCATE users",
            "INSERT INTO activity (action) VALUES ('made up')",
            "UPDATE activity SET action = 'made up'",
            "DELETE FROM activity",
        ):
            assert refused(connection, statement) is DENIED, statement


def test_ac15_a_foreign_email_is_neither_overwritten_nor_revealed_in_the_error(world: World) -> None:
    taken = new(world.acme, email="bea@example.com")
    clash = " ON CONFLICT (lower(email)) WHERE deleted_at IS NULL"
    plain = INSERT.removesuffix(" RETURNING id")
    with world.sql(world.ada) as connection:
        assert refused(connection, f"{plain}{clash} DO UPDATE SET first_name = 'Mine'", **taken) is DENIED
        assert connection.execute(text(f"{plain}{clash} DO NOTHING"), taken).rowcount == 0
        with pytest.raises(DBAPIError) as caught, connection.begin_nested():
            connection.execute(text(plain), taken)

    assert isinstance(caught.value.orig, pg.UniqueViolation)
    assert caught.value.orig.diag.message_detail is None
    assert "bea@example.com" not in str(caught.value.orig)


def test_ac15_sessions_of_others_cannot_be_created_or_ended(world: World) -> None:
    made = "INSERT INTO sessions (token, user_id, idle, expires_at, ends_at) VALUES ('t', :user, '1 h', now(), now())"
    with world.sql(None) as connection:
        for person in (world.uma, world.bea, world.sue):
            sign_in = text(made.replace("'t'", ":token"))
            connection.execute(sign_in, {"token": person.email, "user": person.id})
        db.session.commit()
    with world.sql(world.ada) as connection:
        assert refused(connection, made, user=world.bea.id) is DENIED
        ended = text("UPDATE sessions SET ended_at = now() RETURNING user_id")
        assert connection.scalars(ended).all() == [world.uma.id]
        assert refused(connection, "UPDATE sessions SET user_id = :user", user=world.ada.id) is DENIED


def test_ac15_copy_into_a_table_with_row_security_is_refused(world: World) -> None:
    with world.sql(world.ada) as connection:
        driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
        with (
            pytest.raises(psycopg.errors.FeatureNotSupported),
            driver.cursor() as cursor,
            cursor.copy("COPY users (email) FROM STDIN") as copy,
        ):
            copy.write_row(["copied@example.com"])


def test_ac15_one_foreign_row_in_a_bulk_insert_rejects_all(address: str) -> None:
    with portal_on(address) as app:
        world = create_world(app)
        organizations = [world.acme.id] * 2_499 + [world.birch.id]
        rows = [
            {"id": uuid7(), "email": f"n{index}@example.com", "organization_id": organization}
            for index, organization in enumerate(organizations)
        ]
        with without_filters(), acting(app, world.ada), pytest.raises(DBAPIError) as caught:
            db.session.execute(insert(User), rows)

        assert isinstance(caught.value.orig, DENIED)
        assert len(world.emails(None)) == 5


# Several actors on one connection


def test_ac15_actors_alternate_on_one_connection_without_leaving_a_trace(address: str) -> None:
    with portal_on(address, pool_size=1) as app:
        world = create_world(app)
        visitors = {person.email: Visitor(app, person) for person in (world.ada, world.bea, world.root)}
        for _ in range(3):
            for person, sees in ((world.ada, "Uma Ex"), (world.root, "Sue Ex"), (world.bea, "Bea Ex")):
                page = visitors[person.email].get("/users/").text
                assert sees in page
                assert ("Bea Ex" in page) is (person is not world.ada)
                assert ("Uma Ex" in page) is (person is not world.bea)
                assert visitors[person.email].get(f"/users/{world.bea.id}").status_code == (
                    404 if person is world.ada else 200
                )
                assert connection_is_clean(app) == (True, True, True)


def connection_is_clean(app: Flask) -> tuple[bool, ...]:
    """Whether a connection from the pool has its login's role, no actor and no tenant."""
    with app.app_context(), db.engine.connect() as connection:
        statement = "SELECT current_user = session_user, " + ", ".join(
            f"coalesce(current_setting('portal.{name}', true), '') = ''" for name in ("actor_id", "organization_id")
        )
        return tuple(connection.exec_driver_sql(statement).one())


def test_ac15_after_an_error_the_next_actor_is_bound_as_usual(address: str) -> None:
    with portal_on(address, pool_size=1) as app:
        world = create_world(app)
        for _ in range(2):
            with world.sql(world.ada) as connection, pytest.raises(DBAPIError):
                connection.exec_driver_sql("SELECT password FROM users")
            assert connection_is_clean(app) == (True, True, True)
            assert world.emails(world.bea) == {"bea@example.com"}
            with acting(app, world.ada), pytest.raises(NotAllowed):
                create_many(User, [{"email": "x@example.com", "organization_id": world.birch.id}])
            assert len(world.emails(None)) == 5


def test_ac15_acting_as_the_system_leaves_the_outer_actor_bound(address: str) -> None:
    with portal_on(address) as app:
        world = create_world(app)
        with world.sql(world.ada) as connection:
            emails = text("SELECT email FROM users")
            assert len(connection.execute(emails).all()) == 2
            with acting_as(SYSTEM):
                assert len(db.session.execute(emails).all()) == 5
            assert len(connection.execute(emails).all()) == 2
            assert len(db.session.execute(emails).all()) == 2


def test_ac15_eight_threads_of_two_tenants_only_read_their_own_rows(address: str) -> None:
    with portal_on(address, pool_size=4) as app:
        world = create_world(app)

        def read() -> set[str]:
            seen = set()
            for _ in range(40):
                seen |= set(db.session.scalars(text("SELECT email FROM users")))
                db.session.rollback()
            return seen

        outcomes = run_concurrently(app, [read] * 8, world.ada, world.bea)

    assert outcomes == [{"ada@example.com", "uma@example.com"}, {"bea@example.com"}] * 4


# Every route


@pytest.mark.parametrize(
    ("login", "layers", "only", "least"),
    [
        ("plain owner", "scoping off", "/", 700),
        ("plain owner", "row-level security off", "/", 700),
        ("superuser", "scoping off", "/users/", 100),  # tenants act as another role, so any route will do
    ],
)
def test_ac3_ac15_an_admin_cannot_reach_a_foreign_row_on_any_route_with_one_layer_alone(
    database_server: Server, template_database: str, login: str, layers: str, only: str, least: int
) -> None:
    with copy_of(database_server, template_database, login) as address, portal_on(address) as app:
        walk = walked(app, layers, only)

    assert list(map(str, walk.findings)) == []
    assert walk.requests > least
