"""Only queries can be explained, however EXPLAIN is written."""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError

from portal.data_browser.reading import NoRowsError, reading, run
from tests.acting import acting
from tests.cast import Person
from tests.data_browser.test_deadline import run_query


@pytest.mark.parametrize(
    "explained",
    [
        "CREATE TEMP TABLE kept AS SELECT 1",
        "CREATE TABLE kept AS SELECT 1",
        "CREATE MATERIALIZED VIEW kept AS SELECT 1",
        "SELECT 1 INTO TEMP kept",
        "DELETE FROM users",
        "DECLARE c CURSOR FOR SELECT 1",
        "REFRESH MATERIALIZED VIEW kept",
    ],
)
@pytest.mark.parametrize(
    "beginning",
    [
        "EXPLAIN ",
        "EXPLAIN ANALYZE ",
        "explain analyse verbose ",
        "EXPLAIN (ANALYZE) ",
        "EXPLAIN(ANALYZE true, FORMAT 'json')",
        "/* one */ EXPLAIN -- two\n ANALYZE /* three */",
        "/* one /* two */ */ EXPLAIN ANALYZE ",
        ";EXPLAIN ANALYZE ",
        "EXPLAIN (/* one */ ANALYZE) ",
        "EXPLAIN (ANALYZE /* ) */) ",
        "EXPLAIN /* /* */ */ ANALYZE ",
        "/**/;/***/ EXPLAIN/*/**/*/ANALYZE--\r",
        "/* /* */ EXPLAIN */ EXPLAIN ANALYZE ",
        'EXPLAIN ("analyze" /* /* ) */ */ , -- )\n COSTS off) ',
        "EXPLAIN\u00a0ANALYZE ",
    ],
)
def test_only_queries_can_be_explained(app: Flask, root: Person, beginning: str, explained: str) -> None:
    with acting(app, root), pytest.raises((NoRowsError, pg.Error, DBAPIError)) as caught:
        run_query(beginning + explained)

    assert isinstance(caught.value, NoRowsError | pg.SyntaxError | pg.UndefinedTable), caught.value


@pytest.mark.parametrize("query", ["EXPLAIN /* /* */ SELECT 1", "EXPLAIN (ANALYZE SELECT 1", "EXPLAINSELECT 1"])
def test_a_query_that_postgresql_cannot_parse_is_refused(app: Flask, root: Person, query: str) -> None:
    with acting(app, root), pytest.raises(pg.SyntaxError):
        run_query(query)


def test_statements_prepared_by_a_library_cannot_be_executed(app: Flask, root: Person) -> None:
    with acting(app, root), reading(5) as connection:
        connection.exec_driver_sql("PREPARE kept (text) AS SELECT pg_try_advisory_lock(hashtext($1))")
        for query in ("EXECUTE kept ('one')", "EXPLAIN ANALYZE EXECUTE kept ('one')", "/* */ EXECUTE kept ('one')"):
            with pytest.raises(NoRowsError):
                run(connection, query, most=1)
        connection.exec_driver_sql("DEALLOCATE kept")


@pytest.mark.parametrize(
    "query",
    [
        "EXPLAIN SELECT 1",
        "explain analyze verbose select 1",
        "EXPLAIN (SELECT 1)",
        "EXPLAIN ANALYZE (SELECT 1) UNION SELECT 2",
        "EXPLAIN (ANALYZE, BUFFERS off) VALUES (1)",
        "  /* one */ EXPLAIN -- two\n ANALYZE /* three */ WITH one AS (SELECT 1) TABLE one",
        "EXPLAIN /* /* */ */ select 1",
        "/* /* one */ two /**/ */\n\tEXPLAIN/*/**/*/ANALYZE--\r\n/***/select 1",
        "EXPLAIN (/* one */ ANALYZE /* /* ) */ ( */, -- )\n FORMAT 'text', BUFFERS /**/ off) /**/ (SELECT 1)",
        'EXPLAIN ("analyze" on) SELECT 1',
        ";; EXPLAIN SELECT 1;",
    ],
)
def test_plans_of_queries_are_shown(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        answer = run_query(query)

    assert answer.names == ["QUERY PLAN"]
    assert answer.rows
    assert answer.is_plan


@pytest.mark.parametrize(
    "query",
    [
        'select 1 as "QUERY PLAN"',
        "/* /* */ */ select 1 /* /* */ */",
        ";-- one\n/* two */; select 1",
        "/**/(select 1)",
        "with explain as (select 1) select * from explain",
        "values ('EXPLAIN')",
        "select'EXPLAIN'",
    ],
)
def test_other_queries_run_whatever_their_columns_and_comments_contain(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        answer = run_query(query)

    assert not answer.is_plan
    assert answer.rows in ([["1"]], [["EXPLAIN"]])
