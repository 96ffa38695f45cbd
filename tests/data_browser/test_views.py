"""The pages of the data browser, and the record of every use."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.db import db
from portal.core.history import Activity
from tests.acting import acting, age_authentication
from tests.cast import PASSWORD, Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient

TABLES = (
    "activity", "activity_leaves", "activity_repeats", "activity_seals", "alembic_version", "api_tokens",
    "authenticators", "idempotency_keys", "organizations", "outbox_emails", "passkeys", "rate_limits",
    "recovery_codes", "refresh_tokens", "sessions", "users", "queue.procrastinate_events", "queue.procrastinate_jobs",
    "queue.procrastinate_periodic_defers", "queue.procrastinate_workers",
)  # fmt: skip


@pytest.fixture
def browser(client: PageClient, root: Person) -> PageClient:
    """A browser in which the SUPER_ADMIN is signed in."""
    SignIn(client)(root)
    return client


def events(app: Flask, action: str) -> list[tuple[str | None, Any]]:
    with acting(app):
        found = select(Activity.table_name, Activity.changes).where(Activity.action == action).order_by(Activity.id)
        return [(table, changes) for table, changes in db.session.execute(found)]


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def rows_in(page: str) -> int:
    return len(re.findall(r'aria-label="(?:Open|Deleted) ', page))


def ask(browser: PageClient, query: str, **values: str) -> Any:
    return browser.send("/browser/sql", {"query": query, **values})


def test_the_first_page_lists_every_table_with_a_description(browser: PageClient) -> None:
    page = browser.get("/browser/").text

    assert [name for name in TABLES if f'href="/browser/{name}"' not in page] == []
    assert "People, including deleted ones." in page


@pytest.mark.parametrize("table", TABLES)
def test_every_table_opens_and_can_be_sorted(browser: PageClient, table: str) -> None:
    page = browser.get(f"/browser/{table}")

    assert page.status_code == 200
    for address in set(re.findall(r'href="(/browser/[^"]+sort=[^"]+)"', page.text)):
        assert browser.get(html.unescape(address)).status_code == 200, address


def test_ac17_the_data_browser_is_only_for_super_admins(
    client: PageClient, other_client: PageClient, ada: Person, uma: Person
) -> None:
    for one, person in ((client, ada), (other_client, uma)):
        SignIn(one)(person)
        for path in ("/browser/", "/browser/users", "/browser/users/row", "/browser/users/row.json", "/browser/sql"):
            assert one.get(path).status_code == 403
        token = one.form("/account/")["csrf_token"]
        assert one.post("/browser/sql", data={"query": "SELECT 1", "csrf_token": token}).status_code == 403


def test_ac17_secrets_are_masked_on_every_page(app: Flask, browser: PageClient, uma: Person) -> None:
    with acting(app):
        hashed = db.session.connection().exec_driver_sql("SELECT password FROM users").scalars().all()

    pages = [
        browser.get("/browser/users").text,
        browser.get("/browser/users", query_string={"show": "password"}).text,
        browser.get("/browser/users/row", query_string={"key": uma.id}).text,
        browser.get("/browser/users/row", query_string={"key": uma.id}, headers=HTMX).text,
        browser.get("/browser/users/row.json", query_string={"key": uma.id}).text,
    ]

    assert not [one for one in hashed for page in pages if one in html.unescape(page)]
    assert "•••" in pages[0] and "•••" in pages[1] and "•••" in pages[2]
    assert "password" not in json.loads(pages[4])


@pytest.mark.parametrize(
    "address",
    [
        {"sort": "password"},
        {"sort": "-password"},
        {"where": "password:begins:$2b"},
        {"where": "password:is:x"},
        {"where": "password:null:"},
        {"column": "password", "operator": "begins", "value": "$2b"},
    ],
)
def test_ac17_secrets_cannot_be_sorted_or_filtered_by(browser: PageClient, address: dict[str, str]) -> None:
    answer = browser.get("/browser/users", query_string=address)

    assert answer.status_code == 422
    assert "is secret" in answer.text


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("email:is:uma@example.com", 1),
        ("email:not:uma@example.com", 2),
        ("email:begins:uma", 1),
        ("email:has:EXAMPLE", 3),
        ("email:has:%", 0),
        ("role:is:ADMIN", 1),
        ("role:not:ADMIN", 2),
        ("is_active:is:true", 3),
        ("organization_id:null:", 1),
        ("organization_id:set:", 2),
        ("version:is:1", 3),
        ("version:above:1", 0),
        ("version:from:1", 3),
        ("created_at:above:2020-01-01", 3),
        ("created_at:below:2020-01-01 10:00", 0),
        ("created_at:to:2020-01-01T10:00+02:00", 0),
    ],
)
def test_each_type_of_column_has_its_comparisons(
    browser: PageClient, ada: Person, uma: Person, where: str, found: int
) -> None:
    page = browser.get("/browser/users", query_string={"where": where})

    assert page.status_code == 200
    assert rows_in(page.text) == found


@pytest.mark.parametrize(
    "where",
    [
        "id:is:17",
        "version:is:many",
        "version:is:3000000000",
        "created_at:above:yesterday",
        "created_at:above:0001-01-01",
        "role:is:KING",
        "is_active:is:maybe",
        "nothing:is:1",
        "email:like:x",
        "email",
        "email:is:" + "x" * 2000,
    ],
)
def test_invalid_filters_are_reported_and_ignored(browser: PageClient, where: str) -> None:
    answer = browser.get("/browser/users", query_string={"where": where})

    assert answer.status_code in (200, 422)
    if where != "created_at:above:0001-01-01":
        assert answer.status_code == 422


def test_an_invalid_value_is_reported_at_its_field_and_kept(browser: PageClient) -> None:
    query = {"column": "created_at", "operator": "from", "value": "soon"}

    answer = browser.get("/browser/users", query_string=query)

    assert answer.status_code == 422
    assert 'value="soon"' in answer.text
    assert 'aria-describedby="value-error"' in answer.text
    assert "Enter a date such as" in answer.text


def many(app: Flask, build: Builder, count: int) -> None:
    with acting(app):
        made = (
            "INSERT INTO rate_limits (key, free_at) SELECT decode(lpad(to_hex(n), 8, '0'), 'hex'), now() FROM"
            " generate_series(1, 3) n"
        )
        db.session.connection().exec_driver_sql(made)
        db.session.commit()
    for number in range(count):
        build.person(f"n{number:02}@example.com", first_name=None if number % 3 else f"N{number % 5}")


@pytest.mark.parametrize("sort", ["id", "-id", "email", "-email", "first_name", "-first_name", "-created_at", "role"])
def test_pages_walked_forth_and_back_show_every_row_once(
    app: Flask, browser: PageClient, build: Builder, sort: str
) -> None:
    many(app, build, 60)
    forth = walked(browser, f"/browser/users?per_page=25&sort={sort}", "next")
    back = walked(browser, f"/browser/users?per_page=25&sort={sort}&page=last", "prev")

    assert len(forth) == len(set(forth)) == 61
    assert sorted(back) == sorted(forth)


def walked(browser: PageClient, address: str, rel: str) -> list[str]:
    found: list[str] = []
    while True:
        page = browser.get(address).text
        found += re.findall(r'aria-label="Open ([^"]+)"', page)
        following = re.search(rf'rel="{rel}" href="([^"]+)"', page)
        if following is None:
            return found
        address = html.unescape(following[1])


@pytest.mark.parametrize("place", ["x", "W10", "WzEsMl0", "WyIxIiwiMiJd", "WyJ4IiwieCJd", "====", "ü"])
def test_an_invalid_cursor_causes_no_error(browser: PageClient, place: str) -> None:
    for name in ("after", "before"):
        for sort in ("id", "created_at", "version"):
            answer = browser.get("/browser/users", query_string={name: place, "sort": sort})
            assert answer.status_code in (200, 422)


def test_the_chosen_columns_are_in_the_url(browser: PageClient) -> None:
    page = browser.get("/browser/users", query_string={"show": ["email", "role"], "sort": "email"})

    heads = re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>|<span>)?(\w+)', page.text)
    assert heads == ["email", "role"]
    assert "show=email&amp;show=role" in page.text


def test_a_row_links_to_the_rows_it_references_and_is_referenced_by(
    browser: PageClient, uma: Person, acme: Tenant
) -> None:
    page = browser.get("/browser/users/row", query_string={"key": uma.id}).text

    assert f'href="/browser/organizations/row?key={acme.id}"' in page
    assert f'href="/users/{uma.id}/edit"' in page
    counted = browser.get("/browser/organizations/row", query_string={"key": acme.id}).text
    assert f'href="/browser/users?where=organization_id:is:{acme.id}"' in counted


def test_a_row_opens_as_a_dialog_with_htmx(browser: PageClient, uma: Person) -> None:
    glance = browser.get("/browser/users/row", query_string={"key": uma.id}, headers=HTMX).text

    assert glance.strip().startswith("<dialog")
    assert "uma@example.com" in glance


@pytest.mark.parametrize("key", [[], ["17"], ["01a205e7-f3f8-7b81-a1b7-3dae6199e0d7"], ["a", "b"], ["x" * 3000]])
def test_a_nonexistent_row_or_table_is_404(browser: PageClient, key: list[str]) -> None:
    for name in ("row", "row.json"):
        assert browser.get(f"/browser/users/{name}", query_string={"key": key}).status_code == 404
    assert browser.get("/browser/nothing").status_code == 404
    assert browser.get("/browser/pg_authid").status_code == 404


def test_deleted_rows_are_marked(browser: PageClient, gil: Person) -> None:
    page = browser.get("/browser/users", query_string={"where": f"id:is:{gil.id}"}).text

    assert 'class="deleted"' in page
    assert "Deleted" in text_of(browser.get("/browser/users/row", query_string={"key": gil.id}).text)


def test_null_and_empty_are_shown_differently(app: Flask, browser: PageClient, build: Builder) -> None:
    build.person("none@example.com", first_name=None, last_name="")
    page = browser.get("/browser/users", query_string={"where": "email:is:none@example.com", "show": ["first_name"]})

    assert '<span class="null">NULL</span>' in page.text


def test_ac17_every_use_is_recorded_in_the_history(app: Flask, browser: PageClient, uma: Person) -> None:
    browser.get("/browser/users")
    browser.get("/browser/users", query_string={"sort": "email"})
    browser.get("/browser/organizations")
    browser.get("/browser/users/row.json", query_string={"key": uma.id})
    ask(browser, "SELECT 17")

    assert events(app, "data_browser_opened") == [("users", None), ("organizations", None)]  # repeats are counted
    assert events(app, "data_browser_copied") == [("users", {"row": [None, str(uma.id)]})]
    assert events(app, "data_browser_queried") == [(None, {"query": [None, "SELECT 17"]})]
    shown = text_of(browser.get("/activity/").text)
    assert "viewed the table users" in shown
    assert f"copied the row with the key {uma.id} of the table users" in shown
    assert "queried the database: SELECT 17" in shown


def test_a_query_shows_its_rows_and_stays_in_the_form(browser: PageClient, uma: Person) -> None:
    query = "SELECT email, NULL AS nothing, '' AS blank FROM users WHERE email LIKE 'uma%'"

    answer = ask(browser, query)

    assert answer.status_code == 200
    assert query in html.unescape(answer.text)
    assert "uma@example.com NULL empty" in text_of(answer.text)
    assert "1 row in" in text_of(answer.text)


def test_an_error_shows_its_position_and_keeps_the_query(browser: PageClient) -> None:
    answer = ask(browser, "SELECT 1,\n  nothing\nFROM users")

    assert answer.status_code == 422
    assert "Column &#34;nothing&#34; does not exist" in answer.text
    assert "Line 2:" in answer.text
    assert "<mark>nothing</mark>" in answer.text
    assert "SELECT 1,\n  nothing\nFROM users" in html.unescape(answer.text)


def test_a_plan_can_be_shown_instead_of_rows(browser: PageClient) -> None:
    assert "Seq Scan on organizations" in ask(browser, "SELECT * FROM organizations", way="explain").text
    assert "Execution Time" in ask(browser, "SELECT * FROM organizations", way="analyze").text
    wrong = ask(browser, "SELECT nothing", way="explain").text
    assert "<mark>nothing</mark>" in wrong


def test_ac17_a_query_that_takes_too_long_is_cancelled(change_settings: Any, browser: PageClient) -> None:
    change_settings(data_browser_seconds=0.2)

    answer = ask(browser, "SELECT pg_sleep(30)")

    assert answer.status_code == 422
    assert "took longer than 0.2 s" in answer.text


def test_an_endless_query_shows_its_first_rows(change_settings: Any, browser: PageClient) -> None:
    change_settings(data_browser_rows=20)

    answer = ask(browser, "SELECT generate_series(1, 1000000000)")
    wide = ask(browser, "SELECT repeat('x', 3000000) FROM generate_series(1, 1000)")

    assert "20 rows; more are not shown" in text_of(answer.text)
    assert "20 rows; more are not shown" in text_of(wide.text)


def test_recent_queries_are_only_shown_to_their_author(
    app: Flask, browser: PageClient, other_client: PageClient, build: Builder, root: Person
) -> None:
    ask(browser, "SELECT 'needle'")
    page = browser.get("/browser/sql").text
    (address,) = re.findall(r'href="(/browser/sql\?from=[^"]+)"', page)
    ruth = build.person("ruth@example.com", role=root.role)
    SignIn(other_client)(ruth)

    assert "SELECT 'needle'" in html.unescape(browser.get(address).text.split("<textarea")[1].split("</textarea>")[0])
    assert "needle" not in other_client.get("/browser/sql").text
    assert other_client.get(address).status_code == 404


def test_a_query_runs_after_reauthentication(app: Flask, browser: PageClient, root: Person) -> None:
    with acting(app):
        age_authentication(root)

    question = ask(browser, "SELECT\n  40 + 2")
    assert "Confirm it’s you" in question.text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', question.text)
    assert token
    sent = {"query": "SELECT\n  40 + 2", "own_password": PASSWORD, "csrf_token": token[1]}
    answer = browser.post("/browser/sql", data=sent)

    assert "42" in text_of(answer.text)


def test_a_table_offers_a_query_for_all_readable_columns(browser: PageClient) -> None:
    for table in TABLES:
        page = browser.get("/browser/sql", query_string={"table": table}).text
        query = html.unescape(page.split("<textarea")[1].split(">", 1)[1].split("</textarea>")[0])
        assert ask(browser, query).status_code == 200, query


@pytest.mark.parametrize("unseen", ["\u202e", "\u200b", "\u2066", "\U000e0041"])
def test_invisible_characters_in_a_query_are_refused_and_named(browser: PageClient, unseen: str) -> None:
    answer = ask(browser, f"SELECT\t1\r\nAS one -- {unseen}")

    assert answer.status_code == 422
    assert f"U+{ord(unseen):04X}" in answer.text


def test_a_query_can_contain_tabs_line_breaks_joiners_and_emoji(browser: PageClient) -> None:
    assert ask(browser, "SELECT\t'نامه\u200cای', '❤\ufe0f\u200d🔥'\r\nAS one").status_code == 200


def test_invisible_characters_in_a_filter_are_removed(browser: PageClient, uma: Person) -> None:
    page = browser.get("/browser/users", query_string={"where": "email:is:\u200buma@exam\u00adple.com\ufeff"}).text

    assert rows_in(page) == 1


def test_tables_are_counted_exactly_before_the_first_analyze(browser: PageClient, build: Builder, acme: Tenant) -> None:
    for number in range(3):
        build.person(f"p{number}@example.com", tenant=acme)

    shown = " ".join(browser.get("/browser/").text.split())

    for table, rows in (("users", 4), ("organizations", 1), ("passkeys", 0)):
        row = re.search(rf'/browser/{table}">.*?data-as="Rows">([^<]*)<', shown)
        assert row is not None
        assert row[1] == str(rows)
    assert "1 column<" in shown
    assert ">1 columns" not in shown
    assert "few" not in shown
