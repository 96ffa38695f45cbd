"""Results of queries as files, for SUPER_ADMINs only."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.history import Activity
from portal.data_browser import results
from tests.acting import acting
from tests.cast import Person, SignIn
from tests.pages import HTMX, PageClient, fields_of
from tests.sheets import rows_in

QUERY = (
    """SELECT 1 AS n, '=1+1' AS text, true AS yes, NULL AS none, '-5' AS less, 12345678901234567890 AS big, 'é' AS n"""
)
PATH = "/browser/sql"


def downloaded(client: PageClient, query: str, kind: str, **kwargs: Any) -> Any:
    fields = client.form(PATH)
    return client.post(PATH, data={**fields, "query": query, "way": kind}, buffered=True, **kwargs)


def events(app: Flask) -> list[tuple[str, Any]]:
    with acting(app):
        wanted = Activity.action.in_(("data_browser_downloaded", "data_browser_queried"))
        return [tuple(one) for one in db.session.execute(select(Activity.action, Activity.changes).where(wanted))]


def test_the_result_is_downloaded_as_csv(app: Flask, client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)
    answer = downloaded(client, QUERY, "csv")

    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert 'attachment; filename="query-' in answer.headers["Content-Disposition"]
    names, row = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert names == ["n", "text", "yes", "none", "less", "big", "n"]
    assert row == ["1", "'=1+1", "true", "", "-5", "12345678901234567890", "é"]
    assert events(app) == [("data_browser_downloaded", {"query": [None, QUERY]})]


def test_the_result_is_downloaded_as_json_lines(client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)
    found = json.loads(downloaded(client, QUERY, "jsonl").text)

    values = {"n": 1, "text": "=1+1", "yes": True, "none": None, "less": "-5", "big": "12345678901234567890"}
    assert found == {**values, "n_2": "é"}


def test_the_result_is_downloaded_as_a_workbook(client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)
    file = downloaded(client, QUERY, "xlsx").get_data()

    assert rows_in(file)[1] == [1, "=1+1", True, None, "-5", "12345678901234567890", "é"]


def test_the_page_of_a_result_offers_its_download(client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)
    fields = client.form(PATH)
    for kwargs in ({}, {"headers": HTMX}):
        page = client.post(PATH, data={**fields, "query": "SELECT '<b>' AS x"}, **kwargs).text
        own = page[page.index('aria-label="Download the result"') :]
        assert 'name="query" value="SELECT &#39;&lt;b&gt;&#39; AS x"' in own
        assert [f'value="{kind}"' in own for kind in results.KINDS] == [True] * 3
    empty = client.post(PATH, data={**fields, "query": "SELECT 1 WHERE false"}).text
    assert "Download the result" not in empty


def test_a_longer_result_says_in_its_name_how_many_rows_it_has(
    client: PageClient, sign_in: SignIn, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(root)
    monkeypatch.setattr(results, "MOST_ROWS", 600)
    query = "SELECT generate_series(1, {})"

    cut, whole = downloaded(client, query.format(601), "csv"), downloaded(client, query.format(600), "csv")

    assert "-first-600-rows.csv" in cut.headers["Content-Disposition"]
    assert "first" not in whole.headers["Content-Disposition"]
    assert [len(one.text.splitlines()) for one in (cut, whole)] == [601, 601]


@pytest.mark.parametrize("kind", results.KINDS)
@pytest.mark.parametrize("query", ["SELECT password FROM users", "DELETE FROM users", "SELECT 1; SELECT 2", "SELEC"])
def test_a_refused_query_is_explained_on_the_page(
    client: PageClient, sign_in: SignIn, root: Person, query: str, kind: str
) -> None:
    sign_in(root)
    answer = downloaded(client, query, kind)

    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert 'id="answer-error"' in answer.text


def test_administrators_download_no_results(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)
    fields = client.form("/account/")
    assert client.post(PATH, data={**fields, "query": "SELECT 1", "way": "csv"}).status_code == 403
    assert fields_of(client.get("/account/").text)
