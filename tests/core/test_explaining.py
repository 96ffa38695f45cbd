"""Is nothing but a query explained, however EXPLAIN is written?"""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError

from portal.core.reading import NoRowsError
from tests.acting import acting
from tests.cast import Person
from tests.core.test_deadline import asked


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
    ],
)
def test_only_queries_are_explained(app: Flask, root: Person, beginning: str, explained: str) -> None:
    with acting(app, root), pytest.raises((NoRowsError, pg.Error, DBAPIError)) as caught:
        asked(beginning + explained)

    assert isinstance(caught.value, NoRowsError | pg.SyntaxError | pg.UndefinedTable), caught.value


@pytest.mark.parametrize(
    "query",
    [
        "EXPLAIN SELECT 1",
        "explain analyze verbose select 1",
        "EXPLAIN (SELECT 1)",
        "EXPLAIN ANALYZE (SELECT 1) UNION SELECT 2",
        "EXPLAIN (ANALYZE, BUFFERS off) VALUES (1)",
        "  /* one */ EXPLAIN -- two\n ANALYZE /* three */ WITH one AS (SELECT 1) TABLE one",
    ],
)
def test_plans_of_queries_are_shown(app: Flask, root: Person, query: str) -> None:
    with acting(app, root):
        answer = asked(query)

    assert answer.names == ["QUERY PLAN"]
    assert answer.rows
