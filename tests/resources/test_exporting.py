"""Downloaded lists contain exactly the rows that the pages of the list show, in their order."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask

from portal.core import exports
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import Busy
from portal.features import RESOURCES
from portal.resources import exporting
from portal.teams.models import Team, TeamMember
from portal.users import queries
from portal.users.states import state_of
from portal.web.csv import as_written
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient
from tests.sheets import rows_in

LONG_AGO = now() - timedelta(days=400)
NAMES = ["Ørsted", "=1+1", "+49 30 1234", "-5", "@here", "'=2", "O'Neill", 'Say "hi"', "a,b", "日本", None]


def rows_of(client: PageClient, address: str) -> list[dict[str, str]]:
    """The rows of a downloaded CSV file, by heading."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    text = answer.get_data(as_text=True)
    answer.close()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:], newline="")))


def listed(client: PageClient, address: str) -> list[str]:
    """The ids of all rows of a list, page by page."""
    found: list[str] = []
    next_address: str | None = f"{address}{'&' if '?' in address else '?'}per_page=25"
    while next_address:
        page = client.get(next_address).text
        found += re.findall(r'data-face="[^"]*" href="/\w+/([0-9a-f-]{36})"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        next_address = following and following[1].replace("&amp;", "&")
    return found


@pytest.fixture
def crowd(build: Builder, app: Flask, acme: Tenant, birch: Tenant, root: Person, ada: Person) -> list[Person]:
    """People in every state, more than a page of them, and namesakes elsewhere."""
    states: list[dict[str, Any]] = [
        {},
        {"is_active": False},
        {"invited_at": now()},
        {"invited_at": LONG_AGO},
        {"invited_at": LONG_AGO, "revoked_at": now()},
        {"invited_at": LONG_AGO, "accepted_at": now()},
        {"deleted_at": now()},
        {"last_sign_in_at": LONG_AGO},
    ]
    people = []
    for index in range(40):
        names = {"first_name": "Martin" if index % 3 else "Nora", "last_name": NAMES[index % len(NAMES)]}
        values = {**names, **states[index % len(states)], "role": Role.ADMIN if index % 5 == 0 else Role.USER}
        created = now() - timedelta(days=index // 2)
        people.append(build.person(f"p{index}@example.com", tenant=acme, created_at=created, **values))
    build.person("martin@birch.example", tenant=birch, first_name="Martin")
    return people


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "FIRST", 2)
    monkeypatch.setattr(exports, "PART", 7)


TABS = ("active", "invited", "deactivated", "deleted")
QUERIES = [
    "", "?sort=name", "?sort=-name", "?sort=created_at", "?sort=last_sign_in_at", "?status=deactivated",
    "?status=invited", "?status=deleted", "?role=ADMIN&sort=name", "?q=martin&sort=created_at", "?q=martin&sort=name",
    "?q=p1&sort=-created_at", "?q=nobody", "?last_sign_in=never", "?two_factor=yes", "?two_factor=no&verified=no",
    "?after=x&page=last", "?created_from=2026-01-01", "?team=nothing", "?invitation=expired", "?invitation=revoked&q=p",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("reader", ["root", "ada"])
def test_a_file_contains_exactly_the_rows_of_the_list_in_its_order(
    request: pytest.FixtureRequest, client: PageClient, sign_in: SignIn, crowd: list[Person], query: str, reader: str
) -> None:
    sign_in(request.getfixturevalue(reader))

    ids = [row["ID"] for row in rows_of(client, f"/users/export{query}")]

    assert ids == listed(client, f"/users/{query}".replace("&page=last", "").replace("after=x", ""))
    assert query in ("?q=nobody", "?two_factor=yes", "?status=invited") or ids


@pytest.mark.parametrize("reader", ["root", "ada"])
def test_a_ranked_search_downloads_every_match(
    request: pytest.FixtureRequest, client: PageClient, sign_in: SignIn, crowd: list[Person], reader: str
) -> None:
    sign_in(request.getfixturevalue(reader))

    rows = rows_of(client, "/users/export?q=martin")

    assert [row["ID"] for row in rows] == listed(client, "/users/?q=martin")
    assert len(rows) >= 10


def test_admins_get_only_their_own_organization(
    client: PageClient, sign_in: SignIn, crowd: list[Person], ada: Person, bea: Person, birch: Tenant, root: Person
) -> None:
    sign_in(ada)

    for query in ("", f"?organization={birch.id}", "?q=martin", "?q=bea", "?status=organization-deleted", "?sort=name"):
        for kind in ("csv", "jsonl"):
            file = client.get(f"/users/export{query}{'&' if query else '?'}format={kind}").text
            assert "birch" not in file.lower(), query
            assert bea.email not in file and str(root.id) not in file, query


def test_names_survive_and_no_cell_is_a_formula(
    client: PageClient, sign_in: SignIn, crowd: list[Person], root: Person
) -> None:
    sign_in(root)

    rows = [row for tab in TABS for row in rows_of(client, f"/users/export?status={tab}")]

    assert {as_written(row["Last name"]) for row in rows} >= {name or "" for name in NAMES}
    unsafe = [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@\t\r")]
    assert set(unsafe) == {"+49 30 1234", "-5"}  # numbers, which an apostrophe would damage


def test_json_lines_contain_values_as_they_are(
    client: PageClient, sign_in: SignIn, crowd: list[Person], root: Person, acme: Tenant
) -> None:
    sign_in(root)
    answer = client.get("/users/export?format=jsonl&status=deactivated&q=p1@example.com")
    file = answer.text
    answer.close()
    (row,) = [json.loads(line) for line in file.splitlines()]

    assert answer.mimetype == "application/jsonl"
    assert row["email"] == "p1@example.com"
    assert row["last_name"] == "=1+1"
    assert row["organization_slug"] == acme.slug
    assert row["status"] == "Deactivated"
    assert (row["two_factor"], row["email_verified"], row["last_sign_in"]) == (False, row["email_verified"], None)
    assert uuid.UUID(row["id"]) == crowd[1].id


def test_the_status_of_a_file_is_that_of_the_list(app: Flask, crowd: list[Person]) -> None:
    with acting(app):
        people = queries.people().add_columns(queries.status().label("words"))
        rows = db.session.execute(people, execution_options={"with_deleted": True}).all()

        assert [row.words for row in rows] == [state_of(row).label for row in rows]
        assert len({row.words for row in rows}) == 6


def test_a_file_of_times_and_truths_can_be_read_by_spreadsheets(
    client: PageClient, sign_in: SignIn, crowd: list[Person], root: Person
) -> None:
    sign_in(root)

    row = rows_of(client, "/users/export?q=p7@example.com")[0]

    assert row["Last sign-in (UTC)"] == f"{LONG_AGO + timedelta(microseconds=500_000):%Y-%m-%d %H:%M:%S}"
    assert row["Two-factor"] == "false"
    assert "password" not in " ".join(row).lower()


@pytest.mark.parametrize("name", RESOURCES)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_every_list_can_be_downloaded(client: PageClient, sign_in: SignIn, root: Person, name: str, kind: str) -> None:
    sign_in(root)

    answer = client.get(f"/{name}/export?format={kind}")

    assert answer.status_code == 200
    assert re.fullmatch(
        rf'attachment; filename="{RESOURCES[name].plural}-\d{{4}}-\d\d-\d\d\.{kind}"',
        answer.headers["Content-Disposition"],
    )
    answer.close()


def test_the_list_links_to_downloads_of_what_it_shows(
    client: PageClient, sign_in: SignIn, crowd: list[Person], ada: Person
) -> None:
    sign_in(ada)

    page = client.get("/users/?status=deactivated&q=martin&sort=name").text

    for kind in ("csv", "jsonl"):
        assert f'href="/users/export?status=deactivated&amp;q=martin&amp;sort=name&amp;format={kind}"' in page
    assert "/users/export" not in client.get("/users/?q=nobody").text


def test_the_history_tells_what_was_downloaded(
    client: PageClient, sign_in: SignIn, crowd: list[Person], ada: Person, root: Person
) -> None:
    sign_in(ada)
    client.get("/users/export?role=ADMIN&q=martin&status=deactivated").close()
    client.get("/teams/export").close()

    history = client.get("/activity/?action=export").text

    assert "downloaded 1 person (Deactivated, “martin”, Role: Admin)" in history
    assert "downloaded 0 teams" in history


def test_an_unknown_format_is_refused(client: PageClient, sign_in: SignIn, root: Person) -> None:
    sign_in(root)

    answer = client.get("/users/export?format=exe")

    assert answer.status_code == 400


def test_one_person_downloads_one_file_at_a_time(
    client: PageClient, sign_in: SignIn, crowd: list[Person], root: Person
) -> None:
    sign_in(root)
    first = client.get("/users/export", buffered=False)

    assert client.get("/users/export").status_code == 409
    first.close()
    assert client.get("/users/export").status_code == 200


def test_a_download_that_cannot_be_recorded_is_refused_and_can_be_repeated(
    client: PageClient, sign_in: SignIn, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(root)
    with monkeypatch.context() as broken:
        broken.setattr(exporting, "record", partial(_raise, Busy()))
        refused = client.get("/users/export")

    assert refused.status_code == 503
    assert client.get("/users/export").status_code == 200


def _raise(error: Exception, *_: Any, **__: Any) -> None:
    raise error


def test_a_team_filter_applies_to_the_file(
    client: PageClient, sign_in: SignIn, app: Flask, crowd: list[Person], acme: Tenant, ada: Person
) -> None:
    @command
    def add() -> None:
        team = Team(id=uuid.uuid4(), name="Drivers", organization_id=acme.id)
        db.session.add(team)
        db.session.flush()
        db.session.add(TeamMember(team_id=team.id, user_id=crowd[0].id, organization_id=acme.id))

    with acting(app):
        add()
    sign_in(ada)

    assert [row["ID"] for row in rows_of(client, "/users/export?team=Drivers")] == [str(crowd[0].id)]


def sheet_of(client: PageClient, address: str) -> list[dict[str, Any]]:
    """The rows of a downloaded workbook, by heading."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    assert answer.mimetype == exporting.MIMETYPES["xlsx"]
    assert answer.headers["Content-Disposition"].endswith('.xlsx"')
    headings, *rows = rows_in(answer.get_data())
    return [dict(itertools.zip_longest(headings, row)) for row in rows]


def test_a_workbook_contains_the_rows_of_the_csv_file_in_their_order(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "FIRST", 2)
    monkeypatch.setattr(exports, "PART", 3)
    for number, name in enumerate(NAMES):
        build.person(f"p{number}@example.com", tenant=acme, first_name=name, last_sign_in_at=LONG_AGO)
    sign_in(root)

    sheet, rows = sheet_of(client, "/users/export?format=xlsx"), rows_of(client, "/users/export")

    assert [row["ID"] for row in sheet] == [row["ID"] for row in rows]
    assert [row["First name"] or "" for row in sheet] == [as_written(row["First name"]) for row in rows]
    assert {row["Email verified"] for row in sheet} == {False}
    assert sheet[0]["Last sign-in (UTC)"] == LONG_AGO.replace(microsecond=0)
    assert isinstance(sheet[0]["Created (UTC)"], datetime)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_only_the_chosen_columns_are_downloaded_in_their_order(
    client: PageClient, sign_in: SignIn, root: Person, uma: Person, kind: str
) -> None:
    sign_in(root)
    address = f"/users/export?q=uma&column=role&column=email&column=nonsense&format={kind}"

    if kind == "csv":
        assert rows_of(client, address) == [{"Email": uma.email, "Role": "USER"}]
    elif kind == "xlsx":
        assert sheet_of(client, address) == [{"Email": uma.email, "Role": "USER"}]
    else:
        assert [json.loads(line) for line in client.get(address).text.splitlines()] == [
            {"email": uma.email, "role": "USER"}
        ]


@pytest.mark.parametrize("query", ["column=nonsense", "column=", "column=password&format=jsonl", "format=xls"])
def test_unknown_columns_and_formats_are_refused(client: PageClient, sign_in: SignIn, root: Person, query: str) -> None:
    sign_in(root)
    assert client.get(f"/users/export?{query}").status_code == 400


def test_the_choice_of_columns_keeps_the_search_and_filters(
    client: PageClient, sign_in: SignIn, ada: Person, uma: Person, gil: Person
) -> None:
    sign_in(ada)
    page = client.get("/users/?q=uma&role=USER").text
    link = re.search(r'href="(/users/columns\?[^"]+)"', page)
    assert link
    address = link[1].replace("&amp;", "&")

    for kwargs in ({}, {"headers": HTMX}):
        form = client.get(address, **kwargs).text
        assert form.startswith("<dialog") == bool(kwargs)
        own = form[form.index('action="/users/export"') :]
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', own.partition("</form>")[0]))
        assert hidden == {"q": "uma", "role": "USER"}
        names = re.findall(r'name="column" value="(\w+)"', form)
        assert {"email", "first_name", "organization_slug"} <= set(names)
        chosen = "&".join(f"column={name}" for name in names)
        assert [row["Email"] for row in rows_of(client, f"/users/export?q=uma&role=USER&{chosen}")] == [uma.email]


def test_a_list_that_is_too_long_for_a_sheet_is_refused_with_a_hint(
    client: PageClient, sign_in: SignIn, root: Person, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(root)
    monkeypatch.setattr(exporting, "MOST_ROWS", 1)

    refused = client.get("/users/export?format=xlsx")

    assert refused.status_code == 409
    assert "A sheet holds 1 rows, and this list has 2." in refused.text
    assert client.get("/users/export").status_code == 200
