"""Is the schema the seed's and ours, the same whichever way a database came to it, and open to other programs?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import flask_migrate
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask import Flask
from sqlalchemy import make_url

from portal.config import ROOT
from portal.core.db import db
from tests.database import SECRET_KEY, Server, app_for, disconnect

CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,
               pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace""",
    "triggers": "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": """
        SELECT p.proname, pg_get_functiondef(p.oid) FROM pg_proc p
        LEFT JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'
        WHERE p.pronamespace = 'public'::regnamespace AND d.objid IS NULL""",
    "enums": """
        SELECT t.typname, e.enumlabel, e.enumsortorder::text FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid
        WHERE t.typnamespace = 'public'::regnamespace""",
    "extensions": "SELECT extname FROM pg_extension",
}  # fmt: skip

# The seed's models, in PostgreSQL's words: column, type, may be empty, default. What the seed's program fills in
# itself (@default(uuid()), @updatedAt) the database fills in here.
UUID, TEXT, MOMENT = "uuid", "text", "timestamp with time zone"
SEED = {
    "organizations": {
        "id": (UUID, "NO", "gen_random_uuid()"),
        "name": (TEXT, "NO", None),
        "slug": (TEXT, "NO", None),
        "created_at": (MOMENT, "NO", "now()"),
        "updated_at": (MOMENT, "NO", "now()"),
        "deleted_at": (MOMENT, "YES", None),
    },
    "users": {
        "id": (UUID, "NO", "gen_random_uuid()"),
        "email": (TEXT, "NO", None),
        "password": (TEXT, "YES", None),  # the seed's is never empty; ours is where nobody can sign in
        "first_name": (TEXT, "YES", None),
        "last_name": (TEXT, "YES", None),
        "role": ('"Role"', "NO", "'USER'::\"Role\""),
        "is_active": ("boolean", "NO", "true"),
        "email_verified": ("boolean", "NO", "false"),
        "organization_id": (UUID, "YES", None),
        "created_at": (MOMENT, "NO", "now()"),
        "updated_at": (MOMENT, "NO", "now()"),
        "deleted_at": (MOMENT, "YES", None),
        "created_by": (UUID, "YES", None),
        "updated_by": (UUID, "YES", None),
    },
    "refresh_tokens": {
        "id": (UUID, "NO", "gen_random_uuid()"),
        "token": (TEXT, "NO", None),
        "user_id": (UUID, "NO", None),
        "organization_id": (UUID, "YES", None),
        "expires_at": (MOMENT, "NO", None),
        "created_at": (MOMENT, "NO", "now()"),
        "revoked_at": (MOMENT, "YES", None),
    },
}
SEED_INDEXES = {
    ("organizations", True): ["(slug)"],
    ("users", True): ["(lower(email))"],
    ("users", False): ["(email)", "(organization_id)"],
    ("refresh_tokens", True): ["(token)"],
    ("refresh_tokens", False): ["(user_id)"],
}
SEED_REFERENCES = {
    ("users", "(organization_id) REFERENCES organizations(id) ON UPDATE CASCADE ON DELETE SET NULL"),
    ("refresh_tokens", "(user_id) REFERENCES users(id) ON UPDATE CASCADE ON DELETE CASCADE"),
    ("refresh_tokens", "(organization_id) REFERENCES organizations(id) ON UPDATE CASCADE ON DELETE SET NULL"),
}


def connect(address: str) -> psycopg.Connection[tuple[Any, ...]]:
    url = make_url(address).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True)


def catalog(address: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that makes the schema, in a form that can be compared."""
    with connect(address) as connection:
        return {name: sorted(connection.execute(query.encode()), key=repr) for name, query in CATALOGUE.items()}


@pytest.fixture
def empty(database_server: Server) -> Iterator[str]:
    yield database_server.create("empty")
    database_server.drop("empty")


@pytest.fixture
def app_on_empty(empty: str) -> Iterator[Flask]:
    app = app_for(empty)
    yield app
    disconnect(app)


def test_upgrade_downgrade_and_upgrade_again_give_the_same_schema(app_on_empty: Flask, empty: str) -> None:
    untouched = catalog(empty)
    with app_on_empty.app_context():
        flask_migrate.upgrade()
        first = catalog(empty)
        flask_migrate.downgrade(revision="base")
        nothing = catalog(empty)
        flask_migrate.upgrade()
        second = catalog(empty)

    assert second == first
    kept = ("columns", "indexes", "constraints", "extensions")
    assert {name: rows for name, rows in nothing.items() if name not in kept} == {
        name: rows for name, rows in untouched.items() if name not in kept
    }
    for name in kept[:3]:
        assert {row[0] for row in nothing[name]} <= {"alembic_version", "alembic_version_pkc"}
    for name in CATALOGUE:
        assert first[name], name


def test_every_step_back_and_forth_alone_works(app_on_empty: Flask, empty: str) -> None:
    with app_on_empty.app_context():
        flask_migrate.upgrade()
        whole = catalog(empty)
        flask_migrate.downgrade(revision="-1")
        flask_migrate.upgrade(revision="+1")

    assert catalog(empty) == whole


@pytest.mark.parametrize(
    ("revision", "lost"), [("0004_history", "activity_seals"), ("0003_row_level_security", "activity")]
)
def test_lg3_a_downgrade_drops_no_history_unless_it_is_asked_to(
    app_on_empty: Flask, empty: str, revision: str, lost: str
) -> None:
    with app_on_empty.app_context():
        flask_migrate.upgrade()
    with connect(empty) as program:
        program.execute("INSERT INTO organizations (name, slug) VALUES ('Acme', 'acme')")
        if lost == "activity_seals":
            program.execute("SELECT portal_seal_activity('{key}', 10)")
    command = ["db", "downgrade", revision]

    for asked in ([], ["-x", "drop-history=no"], ["-x", "drop-history"]):
        refused = app_on_empty.test_cli_runner().invoke(args=[*command, *asked])
        assert refused.exit_code == 1
        assert f"This would drop the history for ever ({lost})." in refused.output
    with connect(empty) as program:
        assert program.execute(f"SELECT count(*) FROM {lost}".encode()).fetchone() == (1,)  # noqa: S608
    done = app_on_empty.test_cli_runner().invoke(args=[*command, "-x", "drop-history=yes"])

    assert done.exit_code == 0, done.output
    assert lost not in {row[0] for row in catalog(empty)["columns"]}


def test_an_upgrade_of_what_is_up_to_date_does_nothing(app_on_empty: Flask, empty: str) -> None:
    with app_on_empty.app_context():
        flask_migrate.upgrade()
        first = catalog(empty)
        flask_migrate.upgrade()

    assert catalog(empty) == first


def test_flask_db_check_finds_no_drift(fresh_app: Flask) -> None:
    result = fresh_app.test_cli_runner().invoke(args=["db", "check"])

    assert result.exit_code == 0, result.output


def test_models_and_migrations_agree_on_types_too(fresh_app: Flask) -> None:
    with fresh_app.app_context(), db.engine.connect() as connection:
        modelled = {"include_name": lambda name, kind, _: kind != "table" or name in db.metadata.tables}
        context = MigrationContext.configure(connection, opts={"compare_type": True, **modelled})

        assert compare_metadata(context, db.metadata) == []


def test_the_models_make_the_same_columns_defaults_and_predicates(
    fresh_app: Flask, fresh_database: str, app_on_empty: Flask, empty: str
) -> None:
    """`flask db check` sees neither defaults nor lost predicates."""
    with connect(fresh_database) as migrated, connect(empty) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        for (definition,) in migrated.execute(
            "SELECT pg_get_functiondef(p.oid) FROM pg_proc p JOIN pg_language l ON l.oid = prolang"
            " WHERE proname ~ '^portal_(fold|plain|punycode|readable|search_pattern)' ORDER BY lanname, proname"
        ).fetchall():
            connection.execute(definition.encode())
    with app_on_empty.app_context():
        db.metadata.create_all(db.engine)

    made, migrated_to = catalog(empty), catalog(fresh_database)

    ours = set(db.metadata.tables) - {"activity", "operations"}  # which triggers write: their defaults are theirs alone
    for name, table in (("columns", 0), ("indexes", 1), ("constraints", 0)):
        assert _of(ours, made[name], table) == _of(ours, migrated_to[name], table), name
    assert made["enums"] == migrated_to["enums"]


def _of(tables: set[str], rows: list[tuple[Any, ...]], place: int) -> list[tuple[Any, ...]]:
    """The rows that are about these tables; in `place` stands the table's name or the definition of an index on it."""
    return [row for row in rows if any(row[place] == table or f" public.{table} " in row[place] for table in tables)]


@pytest.mark.parametrize("table", SEED)
def test_the_seeds_columns_are_there_with_its_types_and_defaults(fresh_database: str, table: str) -> None:
    with connect(fresh_database) as connection:
        found = connection.execute(
            "SELECT column_name, CASE data_type WHEN 'USER-DEFINED' THEN quote_ident(udt_name) ELSE data_type END,"
            " is_nullable, column_default FROM information_schema.columns WHERE table_name = %s",
            [table],
        )
        columns = {name: rest for name, *rest in found}

    assert {name: tuple(columns[name]) for name in SEED[table]} == SEED[table]


def test_the_seeds_roles_are_there_in_its_order(fresh_database: str) -> None:
    with connect(fresh_database) as connection:
        found = connection.execute("""SELECT unnest(enum_range(NULL::"Role"))::text""").fetchall()

    assert found == [("USER",), ("ADMIN",), ("SUPER_ADMIN",)]


def test_the_seeds_indexes_are_there_and_unique_where_it_says_so(fresh_database: str) -> None:
    indexes = catalog(fresh_database)["indexes"]
    for (table, is_unique), columns in SEED_INDEXES.items():
        kind = "CREATE UNIQUE INDEX" if is_unique else "CREATE INDEX"
        definitions = [one for _, one in indexes if one.startswith(kind) and f"ON public.{table} " in one]
        for column in columns:
            assert any(f"btree {column}" in definition for definition in definitions), (table, column)


def test_co4_slug_and_address_are_unique_among_active_rows(fresh_database: str) -> None:
    indexes = dict(catalog(fresh_database)["indexes"])

    assert indexes["users_email_key"].endswith("(lower(email)) WHERE (deleted_at IS NULL)")
    assert indexes["organizations_slug_key"].endswith("(slug) WHERE (deleted_at IS NULL)")


def test_the_seeds_references_are_there(fresh_database: str) -> None:
    found = catalog(fresh_database)["constraints"]

    references = {
        (table, definition.removeprefix("FOREIGN KEY "))
        for table, _, definition in found
        if definition.startswith("FOREIGN")
    }
    assert references >= SEED_REFERENCES


def test_every_table_with_stamps_has_its_triggers(fresh_database: str) -> None:
    triggers = catalog(fresh_database)["triggers"]

    stamps = [row for row in triggers if row[1].startswith("stamp")]
    assert [row[:2] for row in stamps] == [("organizations", "stamp"), ("users", "stamp"), ("users", "stamp_change")]
    for _, _, definition in stamps:
        assert "BEFORE INSERT" in definition or "BEFORE UPDATE" in definition
        assert definition.endswith("EXECUTE FUNCTION portal_stamp()")


def test_every_column_that_must_be_filled_and_is_not_the_seeds_has_a_default(fresh_database: str) -> None:
    for table, name, _, must, generated, default in catalog(fresh_database)["columns"]:
        if must and not generated and table in SEED and name not in SEED[table]:
            assert default is not None, (table, name)


def test_generated_columns_are_stored(fresh_database: str) -> None:
    """PostgreSQL 18 would compute them on reading, and then they could not be indexed."""
    kinds = {row[4] for row in catalog(fresh_database)["columns"] if row[4]}

    assert kinds in ({"s"}, {b"s"})


def test_other_programs_write_rows_with_the_seeds_columns_alone(fresh_database: str) -> None:
    with connect(fresh_database) as program:
        home = program.execute("INSERT INTO organizations (name, slug) VALUES ('Acme', 'acme') RETURNING id").fetchone()
        person = program.execute(
            "INSERT INTO users (email, password, organization_id) VALUES ('p@example.com', 'x', %s) RETURNING id", home
        ).fetchone()
        program.execute("INSERT INTO refresh_tokens (token, user_id, expires_at) VALUES ('t', %s, now())", person)
        program.execute("UPDATE users SET deleted_at = now(), updated_by = id")
        found = program.execute("SELECT role::text, is_active, version, updated_by = id FROM users").fetchone()

    assert found == ("USER", True, 2, True)


def test_other_programs_may_write_every_column_of_the_seed(fresh_database: str) -> None:
    with connect(fresh_database) as program:
        for table, columns in SEED.items():
            program.execute(f"CREATE TEMP TABLE copied AS SELECT {', '.join(columns)} FROM {table}".encode())  # noqa: S608
            program.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM copied".encode())  # noqa: S608
            program.execute("DROP TABLE copied")


def test_tables_of_other_programs_are_left_alone(fresh_app: Flask, fresh_database: str) -> None:
    with connect(fresh_database) as program:
        program.execute("CREATE TABLE theirs (id int)")

    result = fresh_app.test_cli_runner().invoke(args=["db", "check"])

    assert result.exit_code == 0, result.output


def test_two_upgrades_at_once_wait_for_each_other(empty: str) -> None:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    environment = {**os.environ, "DATABASE_URL": empty, "SECRET_KEY": SECRET_KEY}

    both = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603
        for _ in range(2)
    ]

    said = [one.communicate(timeout=60)[0].decode() for one in both]
    assert [one.returncode for one in both] == [0, 0], said
