"""The data browser responds in time, with pages of limited size and without internal columns."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from portal.core.actor import Role
from portal.core.db import db
from portal.core.history import Activity, record
from portal.data_browser import reading
from portal.data_browser.actions import DATA_BROWSER_QUERIED
from portal.data_browser.pages import View
from portal.data_browser.tables import INTERNAL
from portal.web.given import current_settings
from tests.acting import acting, busy, portal_on
from tests.cast import Builder, Person, page_client
from tests.data_browser.test_deadline import LONG
from tests.data_browser.test_views import ask, browser, text_of, walked
from tests.pages import HTMX, PageClient

__all__ = ["browser"]
DERIVED = """
SELECT attname FROM pg_attribute WHERE attgenerated <> '' AND attrelid IN ('users'::regclass, 'organizations'::regclass)
"""


@pytest.fixture
def portal(fresh_database: str) -> Iterator[Flask]:
    with portal_on(fresh_database, data_browser_seconds=60.0) as app:
        yield app


@pytest.fixture
def hurried(portal: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on queries after a fraction of a second."""
    monkeypatch.setattr(reading, "GRACE", 0.1)
    monkeypatch.setitem(
        portal.extensions, current_settings.key, replace(current_settings.of(portal), data_browser_seconds=0.1)
    )


@pytest.fixture
def boss(portal: Flask) -> Person:
    return Builder(portal).person("boss@example.com", role=Role.SUPER_ADMIN)


@pytest.fixture
def visit(portal: Flask, boss: Person) -> PageClient:
    return page_client(portal, boss)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
def test_a_second_query_is_refused_and_stays_in_the_form(
    portal: Flask, boss: Person, visit: PageClient, headers: dict[str, str]
) -> None:
    form = visit.form("/browser/sql")
    with busy(portal, boss):
        answer = visit.post("/browser/sql", data={**form, "query": "SELECT 'kept'"}, headers=headers)
        listed = visit.get("/browser/users", headers=headers)
        others = [visit.get(path).status_code for path in ("/", "/users/", "/activity/", "/browser/sql")]

    assert (answer.status_code, listed.status_code) == (429, 429)
    assert "Your previous query is still running" in answer.text
    assert "Your previous query is still running" in listed.text
    assert listed.headers["Retry-After"] == answer.headers["Retry-After"] == "5"
    assert headers or "SELECT 'kept'" in html.unescape(answer.text)
    assert others == [200] * 4
    assert visit.get("/browser/users").status_code == 200


def test_the_page_explains_that_others_are_running_queries(portal: Flask, visit: PageClient) -> None:
    others = [Builder(portal).person(f"{number}@example.com", role=Role.SUPER_ADMIN) for number in range(3)]
    with busy(portal, others[0]), busy(portal, others[1]), busy(portal, others[2]):
        answer = ask(visit, "SELECT 1")
        listed = visit.get("/browser/")

    assert (answer.status_code, listed.status_code) == (503, 503)
    assert "Other people are running queries" in answer.text
    assert "Other people are running queries" in listed.text


@pytest.mark.usefixtures("hurried")
def test_a_query_that_cannot_be_interrupted_gets_a_response_and_others_continue(visit: PageClient) -> None:
    form = visit.form("/browser/sql")
    answer = visit.post("/browser/sql", data={**form, "query": LONG})
    next_answer = visit.post("/browser/sql", data={**form, "query": "SELECT 1"})

    assert answer.status_code == 422
    assert "it is still running" in text_of(answer.text)
    assert "SELECT n * n" in html.unescape(answer.text)
    assert next_answer.status_code == 429
    assert visit.get("/users/").status_code == 200


@pytest.mark.usefixtures("hurried")
def test_a_page_that_cannot_be_interrupted_explains_it(visit: PageClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(View, "page", lambda _view, connection: connection.execute(text(LONG)).all())

    answer = visit.get("/browser/users")

    assert answer.status_code == 503
    assert "didn't respond in time" in html.unescape(answer.text)


@pytest.mark.parametrize("way", ["run", "analyze"])
def test_a_huge_value_does_not_make_a_huge_page(app: Flask, browser: PageClient, way: str) -> None:
    answer = ask(browser, "SELECT repeat('<', 20000000), 17", way=way)

    assert answer.status_code == 200
    assert len(answer.data) < 200_000


def test_many_long_rows_do_not_make_a_huge_page(app: Flask, browser: PageClient) -> None:
    answer = ask(browser, "SELECT repeat('<', 9000), 17 FROM generate_series(1, 100000)")

    assert answer.status_code == 200
    assert len(answer.data) < 6_000_000


def test_pages_of_a_row_with_a_huge_value_are_limited_in_size(app: Flask, browser: PageClient) -> None:
    with acting(app):
        record(DATA_BROWSER_QUERIED, details={"query": "x" * 5_000_000})
        row = {"key": db.session.scalar(select(func.max(Activity.id)))}

    listed = browser.get("/browser/activity?sort=changes")
    shown = browser.get("/browser/activity/row", query_string=row)
    glance = browser.get("/browser/activity/row", query_string=row, headers=HTMX)
    copied = browser.get("/browser/activity/row.json", query_string=row)

    assert len(listed.data) < 100_000
    assert max(map(len, (shown.data, glance.data, copied.data))) < 450_000
    values = json.loads(copied.text)
    assert values["changes"].endswith("xxx...")
    assert values["id"] == row["key"]


def test_pages_sorted_by_long_values_show_every_row_once(app: Flask, browser: PageClient, build: Builder) -> None:
    for number in range(30):
        build.person(f"n{number:02}@example.com", last_name="ä" * 1000 + str(number % 4))

    for sort in ("last_name", "-last_name"):
        forth = walked(browser, f"/browser/users?per_page=25&sort={sort}", "next")
        back = walked(browser, f"/browser/users?per_page=25&sort={sort}&page=last", "prev")
        assert len(forth) == len(set(forth)) == 31
        assert sorted(back) == sorted(forth)


def heads(page: str) -> list[str]:
    return re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>|<span>)?(\w+)', page)


def test_internal_columns_are_shown_on_request(browser: PageClient, uma: Person) -> None:
    page = browser.get("/browser/users")
    address = re.search(r'href="([^"]+)">Show internal columns', page.text)
    assert address
    whole = browser.get(html.unescape(address[1]))
    row = browser.get("/browser/users/row", query_string={"key": uma.id})
    copied = browser.get("/browser/users/row.json", query_string={"key": uma.id})
    address = re.search(r'href="([^"]+)">Show internal columns', row.text)
    assert address
    whole_row = browser.get(html.unescape(address[1]))
    address = re.search(r'href="([^"]+row\.json[^"]+)"', whole_row.text)
    assert address

    assert "email" in heads(page.text)
    assert "search_text" not in text_of(page.text + row.text + copied.text)
    assert {"search_text", "sort_name"} <= set(heads(whole.text))
    assert "search_text" in whole_row.text
    assert "search_text" in json.loads(browser.get(html.unescape(address[1])).text)
    assert "search_text" not in browser.get("/browser/sql?table=users").text


def test_columns_generated_for_searching_are_internal(app: Flask) -> None:
    with acting(app):
        derived = set(db.session.execute(text(DERIVED)).scalars())

    assert derived <= INTERNAL


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("SELECT id, nothing, email FROM users", "nothing"),
        ('SELECT "not there" + 1 FROM users', "&#34;not there&#34;"),
        ("SELECT 1 FROM nowhere WHERE true", "nowhere"),
        ("SELECT 'x'::integer + 1", "&#39;x&#39;"),
        ("SELECT 1 === 2", "==="),
        ("SELECT 1 +", " "),
        ("EXPLAIN ANALYZE SELECT nothing FROM users", "nothing"),
    ],
)
@pytest.mark.parametrize("way", ["run", "explain", "analyze"])
def test_only_the_offending_word_is_underlined(browser: PageClient, query: str, word: str, way: str) -> None:
    answer = ask(browser, query, way=way)

    assert answer.status_code == 422
    assert re.findall(r"<mark>(.*?)</mark>", answer.text) == [word]


def hint_of(answer: Any) -> str:
    return text_of(answer.text.split('id="answer-error"')[1].split("Line 1:")[0])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT passwort FROM users",
        "SELECT u.passwor FROM users u",
        "SELECT tokn FROM sessions",
        "SELECT rolpasswor FROM pg_authid",
        "SELECT link_countr, emial FROM users",
    ],
)
def test_no_hint_suggests_a_column_that_cannot_be_read(browser: PageClient, query: str) -> None:
    hint = hint_of(ask(browser, query))

    assert "does not exist" in hint
    assert "Perhaps" not in hint


def test_a_hint_suggests_a_column_that_can_be_read(browser: PageClient) -> None:
    assert 'Perhaps you meant to reference the column "users.email"' in hint_of(ask(browser, "SELECT emial FROM users"))


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "fragment"])
@pytest.mark.parametrize("way", ["run", "explain", "analyze"])
def test_a_query_cannot_take_a_lock_that_the_portal_uses(
    portal: Flask, visit: PageClient, headers: dict[str, str], way: str
) -> None:
    form = visit.form("/browser/sql")
    query = "SELECT pg_advisory_lock(hashtext('portal_seal_activity')), pg_sleep(5)"
    answer = visit.post("/browser/sql", data={**form, "query": query, "way": way}, headers=headers)

    assert answer.status_code == 422
    assert "pg_advisory_lock() can't be used here, because it can affect more" in text_of(answer.text)
    assert query in html.unescape(answer.text) or headers
    with acting(portal):
        assert db.session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext("portal_seal_activity"))))


def test_a_column_called_query_plan_is_shown_as_a_table(visit: PageClient) -> None:
    answer = ask(visit, 'select 7 as "QUERY PLAN" /* /* */ */')
    plan = ask(visit, "EXPLAIN /* /* */ */ select 7")

    assert (answer.status_code, plan.status_code) == (200, 200)
    assert "1 row in " in text_of(answer.text)
    assert "Result (cost" in text_of(plan.text)
    assert "1 row in " not in text_of(plan.text)
