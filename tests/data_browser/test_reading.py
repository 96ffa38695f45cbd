"""A query cannot read a secret, change anything, act as somebody else, or leave anything behind."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from psycopg import Error, connect
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError

from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.core.row_security import READER_ROLE, SECRETS
from portal.data_browser.reading import CELL, LONGEST, ROOM, Answer, NoRowsError, readable_tables, reading, run
from tests.acting import acting
from tests.cast import Builder, Person, Tenant
from tests.database import PREFIX, Server

HASH = re.compile(r"\$2[aby]\$")
XML = "SELECT query_to_xml('{}', true, true, '')"  # needs libxml, which not every server is built with
WITHIN = "SELECT count(*) FROM ts_stat('{}')"  # runs a string as a statement on every server
OF_USERS = "SELECT to_tsvector(password) FROM users"

# Each attempt by its name: the query, and PostgreSQL's error.
ESCAPES: dict[str, tuple[str, type[Exception]]] = {
    "a secret": ("SELECT password FROM users", pg.InsufficientPrivilege),
    "all columns": ("SELECT * FROM users", pg.InsufficientPrivilege),
    "a row as a whole": ("SELECT users FROM users", pg.InsufficientPrivilege),
    "a secret as a condition": ("SELECT 1 FROM users WHERE password LIKE '$2b%'", pg.InsufficientPrivilege),
    "a secret in the order": ("SELECT id FROM users ORDER BY password", pg.InsufficientPrivilege),
    "a secret by a plan": ("EXPLAIN SELECT password FROM users", pg.InsufficientPrivilege),
    "a secret's statistics": ("SELECT 1/count(*) FROM pg_stats WHERE attname = 'password'", pg.DivisionByZero),
    "statistics of everything": ("SELECT * FROM pg_statistic", pg.InsufficientPrivilege),
    "reset role": ("RESET ROLE", NoRowsError),
    "set role": ("SET ROLE none", NoRowsError),
    "set session authorization": ("SET SESSION AUTHORIZATION DEFAULT", NoRowsError),
    "the role as a setting": ("SELECT set_config('role', 'none', true)", pg.InsufficientPrivilege),
    "the role of the session": ("SELECT set_config('role', 'none', false)", pg.InsufficientPrivilege),
    "the login as a setting": ("SELECT set_config('session_authorization', 'portal', true)", pg.InsufficientPrivilege),
    "the role, then a secret": (
        "SELECT set_config('role', 'none', true), (SELECT password FROM users LIMIT 1)",
        pg.InsufficientPrivilege,
    ),
    "the role from within": (
        WITHIN.format("SELECT to_tsvector(set_config(''role'', ''none'', true))"),
        pg.InsufficientPrivilege,
    ),
    "the role, then a secret from within": (
        "SELECT set_config('role', 'none', true), (" + WITHIN.format(OF_USERS) + ")",
        pg.InsufficientPrivilege,
    ),
    "a secret from within": (WITHIN.format(OF_USERS), pg.InsufficientPrivilege),
    "a change from within": (
        WITHIN.format("DELETE FROM users RETURNING to_tsvector(email)"),
        pg.DatabaseError,
    ),
    "a secret as XML": (XML.format("SELECT password FROM users"), pg.DatabaseError),
    "a table as XML": ("SELECT table_to_xml('users', true, true, '')", pg.DatabaseError),
    "the role as XML": (XML.format("SELECT set_config(''role'', ''none'', true)"), pg.DatabaseError),
    "the role by a plan": ("EXPLAIN ANALYZE SELECT set_config('role', 'none', true)", pg.InsufficientPrivilege),
    "two statements": ("SELECT 1; SELECT 2", pg.SyntaxError),
    "the end of the transaction": ("COMMIT", NoRowsError),
    "the end, and another": ("COMMIT; SELECT password FROM users", pg.SyntaxError),
    "a block": ("DO $$ BEGIN RESET ROLE; END $$", NoRowsError),
    "a cursor": ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", NoRowsError),
    "a prepared statement": ("PREPARE p AS SELECT 1", NoRowsError),
    "a prepared statement from within": (WITHIN.format("PREPARE p AS SELECT 1"), Error),
    "a copy": ("COPY users TO STDOUT", NoRowsError),
    "a program": ("COPY users TO PROGRAM 'cat'", NoRowsError),
    "another transaction's mode": ("SELECT set_config('transaction_read_only', 'off', true)", Error),
    "an insert": ("INSERT INTO rate_limits (key, free_at) VALUES ('x', now()) RETURNING 1", NoRowsError),
    "an update": ("UPDATE users SET role = 'SUPER_ADMIN' RETURNING id", NoRowsError),
    "an update within": (
        "WITH one AS (UPDATE users SET role = 'SUPER_ADMIN' RETURNING id) TABLE one",
        pg.ReadOnlySqlTransaction,
    ),
    "a deletion within": ("WITH gone AS (DELETE FROM users RETURNING id) SELECT 1", pg.ReadOnlySqlTransaction),
    "a lock of rows": ("SELECT id FROM users FOR UPDATE", Error),
    "an event": ("SELECT portal_record('a', null, 'a', null, null, null, null, false)", pg.InsufficientPrivilege),
    "an email": ("SELECT portal_send_later('reset', gen_random_uuid())", pg.InsufficientPrivilege),
    "itself": ("SELECT portal_query('SELECT password FROM users', 1, 1, 1)", pg.InsufficientPrivilege),
    "a sequence": ("SELECT nextval('activity_id_seq')", Error),
    "a large object": ("SELECT lo_import('/etc/passwd')", Error),
    "a file": ("SELECT pg_read_file('/etc/passwd')", pg.InsufficientPrivilege),
    "a folder": ("SELECT pg_ls_dir('/')", pg.InsufficientPrivilege),
    "logins' passwords": ("SELECT rolpassword FROM pg_authid", pg.InsufficientPrivilege),
    "who can connect": ("SELECT * FROM pg_hba_file_rules", pg.InsufficientPrivilege),
    "another connection": ("SELECT dblink('host=/tmp', 'SELECT 1')", pg.UndefinedFunction),
    "the end of others": (
        "SELECT pg_terminate_backend(pg_backend_pid()), pg_cancel_backend(pg_backend_pid())",
        pg.InsufficientPrivilege,
    ),
    "the server's settings": ("SELECT pg_reload_conf()", pg.InsufficientPrivilege),
    "a long sleep": ("SELECT pg_sleep(30)", pg.QueryCanceled),
    "a long sleep without a timeout": (
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(30)",
        pg.QueryCanceled,
    ),
    "a temporary table by a plan": ("EXPLAIN ANALYZE CREATE TEMP TABLE kept AS SELECT 1", NoRowsError),
    "a deletion by a plan": ("EXPLAIN ANALYZE DELETE FROM users", NoRowsError),
    "nothing": ("", NoRowsError),
    "a comment": ("-- SELECT 1", NoRowsError),
}


def run_query(query: str, most: int = 20, seconds: float = 60) -> Answer:
    with reading(seconds) as connection:
        return run(connection, query, most=most)


@pytest.mark.parametrize("name", ESCAPES)
def test_ac17_no_query_escapes_even_without_vetting(
    app: Flask, root: Person, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, expected = ESCAPES[name]
    monkeypatch.setattr("portal.data_browser.reading.vet", lambda *_: None)

    with acting(app, root):
        with pytest.raises((DBAPIError, Error, NoRowsError)) as caught:
            run_query(query, seconds=0.2 if "pg_sleep" in query else 60)
        cause = getattr(caught.value, "orig", None) or caught.value
        assert isinstance(cause, expected), cause
        assert not HASH.search(str(caught.value))
        assert db.session.connection().exec_driver_sql("SELECT count(*) FROM users").scalar_one() == 1


@pytest.mark.parametrize(
    "query",
    [
        "SELECT email FROM users",
        "VALUES (1), (2)",
        "TABLE organizations",
        "WITH one AS (SELECT 1 AS n) SELECT n FROM one",
        "SHOW transaction_read_only",
        "EXPLAIN SELECT email FROM users",
        "SELECT 1 WHERE false",
        "SELECT 'a;b' -- ; SELECT",
        "SELECT 100 % 7, '%s', ':x'",
    ],
)
def test_queries_that_only_read_are_run(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        assert run_query(query).names


def test_values_are_shown_as_postgresql_formats_them_and_columns_can_share_a_name(app: Flask, root: Person) -> None:
    with acting(app, root):
        answer = run_query("""SELECT 1.10 AS a, NULL AS a, '' AS b, true, '{"x": {"y": 1.0}}'::json, ARRAY[1, 2]""")

    assert list(answer.names[:3]) == ["a", "a", "b"]
    assert answer.rows[0] == ["1.10", None, "", "true", '{"x": {"y": 1.0}}', "[1,2]"]


def test_rows_of_every_tenant_can_be_read_but_not_other_peoples_statements(
    app: Flask, build: Builder, root: Person
) -> None:
    for name in ("Acme", "Birch"):
        build.person(f"{name.lower()}@example.com", tenant=build.tenant(name))

    with acting(app, root):
        assert len(run_query("SELECT id FROM users").rows) == 3
        seen = {row[0] for row in run_query("SELECT query FROM pg_stat_activity WHERE query <> ''").rows}
    assert seen <= {"<insufficient privilege>"}


def test_people_of_a_tenant_cannot_read_anything(app: Flask, ada: Person, uma: Person, acme: Tenant) -> None:
    for person in (ada, uma):
        with acting(app, person), pytest.raises(NotAllowed), reading(1):
            raise AssertionError("entered")


def test_a_query_leaves_no_locks_or_settings_even_without_vetting(
    app: Flask, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.data_browser.reading.vet", lambda *_: None)
    with acting(app, root):
        run_query("SELECT pg_advisory_lock(4711), set_config('work_mem', '64kB', false)")
        with pytest.raises(DBAPIError):
            run_query("SELECT pg_advisory_lock(4712), 1 / 0")
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid IN (4711, 4712)"
        assert db.session.connection().exec_driver_sql(held).scalar_one() == 0
        assert db.session.connection().exec_driver_sql("SHOW work_mem").scalar_one() != "64kB"
        assert db.session.connection().exec_driver_sql("SELECT current_user").scalar_one() != READER_ROLE


def test_every_column_is_either_granted_to_the_data_browser_or_listed_as_a_secret(app: Flask, root: Person) -> None:
    every = """
        SELECT CASE WHEN nspname = 'public' THEN '' ELSE nspname || '.' END || relname, attname FROM pg_attribute a
        JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname IN ('public', 'queue') AND relkind IN ('r', 'p', 'v', 'm') AND attnum > 0 AND NOT attisdropped"""
    with acting(app, root):
        columns = {(table, name) for table, name in db.session.connection().exec_driver_sql(every)}
        with reading(5) as connection:
            granted = {
                (row["name"] if row["schema"] == "public" else f"{row['schema']}.{row['name']}", one["name"])
                for row in readable_tables(connection)
                for one in row["columns"]
                if one["is_readable"]
            }
    secret = {(table, name) for table, names in SECRETS.items() for name in names}

    assert columns - granted - secret == set(), "grant it in a migration, or add it to row_security.SECRETS"
    assert granted & secret == set()
    assert secret <= columns


def test_every_table_with_row_security_shows_the_data_browser_all_rows(app: Flask, root: Person) -> None:
    hidden = """
        SELECT relname FROM pg_class c WHERE relrowsecurity AND NOT EXISTS (
            SELECT FROM pg_policy WHERE polrelid = c.oid AND polroles = ARRAY['portal_reader'::regrole::oid])"""
    with acting(app, root):
        assert db.session.connection().exec_driver_sql(hidden).all() == []


def test_the_reader_role_can_only_execute_portal_query_as_its_owner(app: Flask, root: Person) -> None:
    powerful = """
        SELECT proname FROM pg_proc WHERE prosecdef AND has_function_privilege('portal_reader', oid, 'EXECUTE')"""
    with acting(app, root):
        assert db.session.connection().exec_driver_sql(powerful).scalars().all() == ["portal_query"]


def test_the_function_refuses_to_run_after_a_restore_without_its_owner(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with connect(url, autocommit=True) as owner:
        (definition,) = owner.execute("SELECT pg_get_functiondef('portal_query'::regproc)").fetchone() or ("",)
        owner.execute("DROP FUNCTION portal_query(text, integer, integer, integer)")
        owner.execute(definition.encode())
        owner.execute("GRANT EXECUTE ON FUNCTION portal_query(text, integer, integer, integer) TO portal_reader")

    with acting(fresh_app), pytest.raises(DBAPIError, match="must belong to portal_reader"):
        run_query("SELECT password FROM users")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT repeat('x', 20000000)",
        "SELECT repeat('ä', 20000000)",
        "SELECT json_build_object('a', repeat('x', 20000000))",
        "SELECT decode(repeat('00', 5000000), 'hex')",
        "SELECT array_fill('abc'::text, ARRAY[1000000])",
        "SELECT row(repeat('x', 20000000))",
        "EXPLAIN (VERBOSE, FORMAT TEXT) SELECT repeat('x', 20000000)",
    ],
)
def test_a_long_value_is_truncated_in_the_database(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        answer = run_query(query)

    assert max(len(value or "") for row in answer.rows for value in row) == LONGEST + 1
    assert not answer.has_more


@pytest.mark.parametrize(
    "query",
    [
        "SELECT repeat('x', 9000) FROM generate_series(1, 100000)",
        "SELECT '' FROM generate_series(1, 1000000)",
        f"SELECT {', '.join(['repeat(chr(120000), 5000)'] * 600)} FROM generate_series(1, 50)",  # noqa: S608
    ],
)
def test_a_result_is_limited_in_size(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        answer = run_query(query, most=500_000)

    sent = sum(len((value or "").encode()) + CELL for row in answer.rows for value in row)
    assert ROOM <= sent <= 2 * ROOM + len(answer.names) * (CELL + 4)
    assert answer.has_more


def test_an_error_with_a_huge_value_is_truncated_in_the_database(app: Flask, root: Person) -> None:
    with acting(app, root), pytest.raises(DBAPIError) as caught:
        run_query("SELECT repeat('x', 5000000)::integer")

    assert isinstance(caught.value.orig, pg.InvalidTextRepresentation)
    assert len(str(caught.value.orig)) < 2000


def test_only_the_owner_can_create_temporary_tables(database_server: Server, template_database: str) -> None:
    allowed = "SELECT has_database_privilege(%s, %s, 'TEMPORARY')"
    with database_server._connect() as connection:
        for role in (READER_ROLE, "portal_tenant"):
            assert connection.execute(allowed, [role, PREFIX + template_database]).fetchone() == (False,)
