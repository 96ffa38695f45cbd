"""What a page may take, whatever the machine: statements, rows read and bytes.

PORTAL_TEST_PEOPLE=1000000 measures on a million people, as `make bench` does.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine, event, make_url

from bench import rows, workloads
from bench.rows import ADMIN, COMMON, PASSWORD, RARE, SUPER_ADMIN, Rows
from portal.core import counts
from portal.core.db import db
from tests.database import Server, app_for, disconnect
from tests.pages import HTMX, PageClient
from tests.rounds import rounds

PEOPLE = rounds("PEOPLE", 30_000)
MOST_ROWS = 10_500  # about 10,000, with those of other tables
LIST, NOTHING = 3, 8  # statements; a search that finds nothing looks for similar words, organizations and teams
PAGE, PART, FORM = (27_400, 6_400), (17_600, 3_600), 8_500
INSIDE = "SELECT id FROM users WHERE organization_id = %s AND role = 'USER' AND deleted_at IS NULL LIMIT 1"
STARTING = """UPDATE users SET activates_on = current_date + 30 + version % 7
    WHERE NOT is_active AND deleted_at IS NULL AND activates_on IS NULL"""
COUNT_STARTING = "SELECT count(*) FROM users WHERE activates_on IS NOT NULL AND deleted_at IS NULL"
# Entries of indexes and rows of tables that the transaction has read, also inside functions.
READ = """SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid)), 0) FROM pg_class
    WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"""


@dataclass
class Taken:
    """The statements of a block, and how many rows each of them read."""

    statements: list[tuple[int, str]] = field(default_factory=list)
    _before: int = 0

    def begin(self, connection: Any, *_: Any) -> None:
        self._before = _read(connection)

    def end(self, connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements.append((_read(connection) - self._before, " ".join(statement.split())))


def _read(connection: Any) -> int:
    (found,) = connection.connection.driver_connection.execute(READ).fetchone()
    return int(found)


@contextmanager
def taken(engine: Engine) -> Iterator[Taken]:
    found = Taken()
    event.listen(engine, "before_cursor_execute", found.begin)
    event.listen(engine, "after_cursor_execute", found.end)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", found.begin)
        event.remove(engine, "after_cursor_execute", found.end)


@pytest.fixture(scope="module")
def portal(database_server: Server, template_database: str) -> Iterator[Flask]:
    """A portal with many people. What parallel workers read would not be seen, so there are none."""
    name = "gates"
    address = database_server.create(name, template=template_database)
    database_server.execute(f'ALTER DATABASE "{make_url(address).database}" SET max_parallel_workers_per_gather = 0')
    app = app_for(address)
    yield app
    disconnect(app)
    database_server.drop(name)


@pytest.fixture(scope="module")
def found(portal: Flask) -> Rows:
    url: Any = portal.config["SQLALCHEMY_DATABASE_URI"]
    return rows.prepared(
        portal, PEOPLE, make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    )


@pytest.fixture(scope="module")
def clients(portal: Flask, found: Rows) -> dict[str, PageClient]:
    signed_in = {}
    for email in (SUPER_ADMIN, ADMIN):
        client = signed_in[email] = PageClient(portal)
        assert client.send("/login", {"email": email, "password": PASSWORD}).status_code == 303
    return signed_in


@pytest.fixture
def engine(portal: Flask) -> Engine:
    with portal.app_context():
        return db.engine


LISTS = (
    "/users/", f"/users/?q={RARE}", f"/users/?q={COMMON}", "/users/?q=anna+martin", "/users/?q=za", "/users/?q=z",
    "/users/?q=qqqzz", "/users/?q=%25", f"/users/?q={RARE}&sort=name", f"/users/?q={COMMON}&sort=name",
    "/users/?page=last", "/users/?sort=name&page=last", "/users/?sort=last_sign_in_at", "/users/?role=ADMIN&sort=name",
    "/users/?status=deactivated&sort=name", "/users/?status=deleted", "/users/?two_factor=no", "/teams/", "DEEP",
    "/users/?status=invited", "/users/?invitation=pending", "/users/?invitation=expired&sort=name&page=last",
    f"/users/?invitation=revoked&q={COMMON}",
)  # fmt: skip
# Among a million people, two searches read every match of a frequent word, because the order or the filter isn't a part
# of what the index finds. The dashboard and the reports also count all organizations.
MORE = {
    f"/users/?q={COMMON}&sort=name": 36_000, f"/users/?invitation=revoked&q={COMMON}": 46_000,
    "/": 13_000, "/reports/": 12_000,
}  # fmt: skip
# The first reads and counts; afterwards the planner's estimates are remembered for a minute.
DASHBOARD, ACTIVITY, REPORTS = ("/", 9), ("/activity/", 5), ("/reports/", 4)


def address(path: str, found: Rows) -> str:
    return workloads.workloads(found)["W4"].paths["portal"] if path == "DEEP" else path


def assert_within(seen: Taken, most: int, path: str = "") -> None:
    assert 1 <= len(seen.statements) <= most, seen.statements
    rows = MOST_ROWS if PEOPLE < 1_000_000 else MORE.get(path, MOST_ROWS)
    assert max(seen.statements)[0] <= rows, max(seen.statements)


@pytest.mark.parametrize("email", [SUPER_ADMIN, ADMIN])
@pytest.mark.parametrize("path", LISTS)
def test_a_list_takes_three_statements_few_rows_and_few_bytes(
    clients: dict[str, PageClient], found: Rows, engine: Engine, email: str, path: str
) -> None:
    counts.forget()
    with taken(engine) as seen:
        page = clients[email].get(address(path, found))
    part = clients[email].get(address(path, found), headers=HTMX)

    assert page.status_code == 200
    assert_within(seen, LIST if b"<tbody>" in page.data else NOTHING, path)
    assert max(one for one, _ in seen.statements) > 0  # it is measured
    for answer, (plain, compressed) in ((page, PAGE), (part, PART)):
        assert len(answer.data) < plain
        assert len(gzip.compress(answer.data, 6)) < compressed


@pytest.mark.parametrize(
    "path",
    [
        "/organizations/",
        "/organizations/?q=lo",
        "/organizations/?administrators=none",
        "/users/?q=martin&organization=INSIDE",
    ],
)
def test_lists_of_super_admins_take_as_little(
    clients: dict[str, PageClient], found: Rows, engine: Engine, path: str
) -> None:
    counts.forget()
    with taken(engine) as seen:
        page = clients[SUPER_ADMIN].get(path.replace("INSIDE", str(found.organization)))

    assert page.status_code == 200
    assert_within(seen, LIST if b"<tbody>" in page.data else NOTHING)
    assert len(page.data) < PAGE[0]


def test_administrators_by_name_are_read_without_everybody_else(
    clients: dict[str, PageClient], found: Rows, engine: Engine
) -> None:
    clients[SUPER_ADMIN].get("/users/?role=ADMIN&sort=name")  # estimates are remembered from now on
    with taken(engine) as seen:
        clients[SUPER_ADMIN].get("/users/?role=ADMIN&sort=name")

    assert max(seen.statements)[0] < 400


@pytest.mark.parametrize("email", [SUPER_ADMIN, ADMIN])
@pytest.mark.parametrize(("path", "most"), [DASHBOARD, ACTIVITY, REPORTS])
def test_the_dashboard_the_activity_and_reports_read_few_rows(
    clients: dict[str, PageClient], engine: Engine, email: str, path: str, most: int
) -> None:
    counts.forget()
    with taken(engine) as seen:
        assert clients[email].get(path).status_code == 200

    assert_within(seen, most, path)


@pytest.mark.parametrize("email", [SUPER_ADMIN, ADMIN])
def test_an_edit_form_takes_two_statements_and_saving_takes_three(
    clients: dict[str, PageClient], found: Rows, engine: Engine, email: str
) -> None:
    with psycopg.connect(found.url) as connection:
        key = str((connection.execute(INSIDE, [found.organization]).fetchone() or ("",))[0])
    with taken(engine) as seen:
        form = clients[email].get(f"/users/{key}/edit")
    fields = clients[email].form(f"/users/{key}/edit")
    with taken(engine) as saving:
        saved = clients[email].post(f"/users/{key}/edit", data={**fields, "first_name": f"Anne {email.split('@')[0]}"})

    assert (form.status_code, saved.status_code) == (200, 303)
    assert_within(seen, 2)
    assert len(form.data) < FORM
    assert_within(saving, 3)


@pytest.mark.parametrize("page", ["", "&page=last"])
def test_people_who_start_later_are_read_once_in_the_order_of_their_first_days(
    clients: dict[str, PageClient], found: Rows, engine: Engine, page: str
) -> None:
    with psycopg.connect(found.url, autocommit=True) as connection:
        connection.execute(STARTING)
        connection.execute("VACUUM ANALYZE users")
        (starting,) = connection.execute(COUNT_STARTING).fetchone() or (0,)
    counts.forget()
    address = f"/users/?start=later&sort=activates_on{page}"
    clients[SUPER_ADMIN].get(address)
    with taken(engine) as seen:
        assert clients[SUPER_ADMIN].get(address).status_code == 200

    assert starting > 500
    assert max(seen.statements)[0] < min(starting, counts.BOUND) + 400  # they are counted
