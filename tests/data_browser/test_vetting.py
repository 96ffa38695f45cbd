"""Queries cannot take locks or have any effect beyond their result."""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg import connect
from psycopg import errors as pg

from portal.core.db import db
from portal.data_browser.vetting import RefusedQueryError
from tests.acting import acting
from tests.cast import Person
from tests.data_browser.test_deadline import run_query

LOCKS = "SELECT pg_advisory_lock(1)"
REFUSED = [
    *(
        f"SELECT {name}(1)"
        for name in (
            "pg_advisory_lock", "pg_advisory_lock_shared", "pg_advisory_xact_lock", "pg_advisory_xact_lock_shared",
            "pg_try_advisory_lock", "pg_try_advisory_lock_shared", "pg_try_advisory_xact_lock",
            "pg_try_advisory_xact_lock_shared", "pg_advisory_unlock",
        )
    ),
    "SELECT pg_advisory_lock(hashtext('portal_seal_activity'))",
    "SELECT PG_Advisory_Lock (1)",
    "SELECT pg_catalog . pg_advisory_lock\n(1, 2)",
    "SELECT pg_advisory_lock/* /* */ */(1)",
    "SELECT pg_advisory_lock -- one\n (1)",
    'SELECT "pg_advisory_lock"(1)',
    'SELECT pg_catalog."pg_advisory_lock" /**/ (1)',
    'SELECT U&"pg\\005fadvisory_lock"(1)',
    'SELECT u&"pg!005fadvisory_lock" UESCAPE \'!\' (1)',
    "SELECT $a$x$a$,pg_advisory_lock(1)",
    "SELECT 1 FROM pg_advisory_lock(1)",
    "SELECT 1 FROM ROWS FROM (pg_advisory_lock(1))",
    "SELECT 1 LIMIT (SELECT 1 FROM pg_advisory_lock(1))",
    "VALUES (1), ((SELECT 1 FROM pg_advisory_lock(1)))",
    "SELECT 1 ORDER BY pg_try_advisory_lock(1)",
    "SELECT CASE WHEN false THEN pg_advisory_lock(1) END",
    "SELECT (SELECT count(pg_advisory_lock(n)) FROM generate_series(1, 5000) n), pg_sleep(4)",
    f"EXPLAIN {LOCKS}",
    f"EXPLAIN ANALYZE {LOCKS}",
    f"/* /* */ */ EXPLAIN (ANALYZE) {LOCKS}",
    "SELECT query_to_xml('select pg_adv' || 'isory_lock(1)', true, true, '')",
    "SELECT query_to_xmlschema(chr(32), true, true, '')",
    "SELECT cursor_to_xml('one', 1, true, true, '')",
    "SELECT ts_stat('select to_tsvector(pg_adv' || 'isory_lock(1)::text)')",
    "SELECT ts_rewrite('a'::tsquery, 'select ''a''::tsquery, pg_adv' || 'isory_lock(1)')",
    "SELECT set_config('log_statement_sample_rate', '1', false)",
    "SELECT pg_logical_emit_message(true, 'one', repeat('x', 1000))",
    "SELECT pg_notify('procrastinate_any_queue', 'one')",
    "SELECT pg_export_snapshot()",
    "SELECT lo_create(1)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT nextval('activity_id_seq')",
]  # fmt: skip
ALLOWED = [
    "SELECT random(), gen_random_uuid(), clock_timestamp(), pg_sleep(0)",
    "SELECT pg_total_relation_size('users'), pg_size_pretty(pg_database_size(current_database()))",
    "SELECT count(*) FROM users TABLESAMPLE bernoulli (50)",
    "SELECT max(id::text), lower('A'), now(), similarity('a', 'b') FROM users",
    "SELECT * FROM pg_locks",
    "SELECT mode, objid FROM pg_locks WHERE locktype = 'advisory'",
    "SELECT 'pg_advisory_lock', 'U&', 1 AS pg_advisory_lock",
    "SELECT stat FROM (SELECT 1 AS stat) AS random (stat)",
]


@pytest.mark.parametrize("query", REFUSED)
def test_a_query_cannot_call_functions_with_side_effects(app: Flask, root: Person, query: str) -> None:
    with acting(app, root), pytest.raises((RefusedQueryError, pg.InsufficientPrivilege)) as caught:
        run_query(query)

    assert isinstance(caught.value, RefusedQueryError), caught.value


@pytest.mark.parametrize("query", ALLOWED)
def test_a_query_can_call_functions_without_side_effects(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        assert run_query(query).names


def test_every_function_of_this_postgresql_that_locks_or_executes_strings_is_refused(app: Flask, root: Person) -> None:
    powerful = """
        SELECT DISTINCT proname FROM pg_proc WHERE oid < 16384 AND (proname ~ 'advisory' OR prosrc ~
            '^(query_to_xml|cursor_to_xml|ts_stat|tsquery_rewrite_query|pg_notify|pg_logical_emit|be_lo_(creat|from))')"""
    with acting(app, root):
        names = db.session.connection().exec_driver_sql(powerful).scalars().all()
        for name in names:
            with pytest.raises(RefusedQueryError):
                run_query(f"SELECT 1 /* {name}() */")

    assert len(names) >= 18


@pytest.mark.parametrize(
    ("name", "kind"),
    [("total", "STABLE"), ('"in total"', "STABLE"), ('"To""tal"', "IMMUTABLE"), ("portal_x", "VOLATILE")],
)
def test_user_defined_functions_are_refused(fresh_app: Flask, name: str, kind: str) -> None:
    with fresh_app.app_context():
        url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with connect(url, autocommit=True) as owner:
        body = "LANGUAGE plpgsql AS $$ BEGIN EXECUTE statement; RETURN 1; END $$"
        owner.execute(f"CREATE FUNCTION public.{name}(statement text) RETURNS integer {kind} {body}".encode())

    with acting(fresh_app), pytest.raises(RefusedQueryError):
        run_query(f"SELECT public.{name}('{LOCKS}')")
