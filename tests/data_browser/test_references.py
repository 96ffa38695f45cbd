"""Links between rows in the data browser, in both directions."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterator

import pytest
from flask import Flask

from portal.core.db import db
from portal.data_browser.references import Reference
from tests.acting import acting
from tests.cast import Person, SignIn, Tenant
from tests.pages import HTMX, PageClient
from tests.teams.test_views import Teams

TABLES = """
CREATE TABLE shelves (room int, place int, note text UNIQUE, PRIMARY KEY (place, room));
CREATE TABLE books (id int PRIMARY KEY, room int, place int, note text REFERENCES shelves (note), owner int,
    FOREIGN KEY (room, place) REFERENCES shelves (room, place));
CREATE INDEX ON books (room);
CREATE INDEX ON books (note);
INSERT INTO shelves VALUES (1, 2, 'by the door'), (2, 1, 'upstairs');
INSERT INTO books VALUES (7, 1, 2, 'upstairs'), (8, 1, NULL, NULL);
GRANT SELECT ON shelves, books TO portal_reader;
"""


@pytest.fixture
def browser(client: PageClient, root: Person) -> PageClient:
    """A browser in which the SUPER_ADMIN is signed in."""
    SignIn(client)(root)
    return client


@pytest.fixture
def library(app: Flask) -> Iterator[None]:
    """Two tables beside the portal's, with a foreign key of two columns and one to a column that isn't a key."""
    with acting(app):
        db.session.connection().exec_driver_sql(TABLES)
        db.session.commit()
        yield


def links_in(page: str) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'<a class="mono" href="([^"]+)"', page)]


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("address", ["/browser/books?show={}", "/browser/books/row?key=7"])
def test_a_foreign_key_of_several_columns_links_to_the_row(browser: PageClient, address: str) -> None:
    shelf, noted = "/browser/shelves/row?key=2&key=1", "/browser/shelves?where=note:is:upstairs"
    for name in ("room", "place", "note"):
        assert (noted if name == "note" else shelf) in links_in(browser.get(address.format(name)).text)
    assert "<h1" in browser.get(shelf).text
    assert "by the door" in browser.get(shelf).text
    assert "by the door" in browser.get(shelf, headers=HTMX).text
    listed = browser.get(noted).text
    assert "upstairs" in listed
    assert "by the door" not in listed


@pytest.mark.usefixtures("library")
def test_a_key_with_an_empty_column_links_to_nothing(browser: PageClient) -> None:
    assert links_in(browser.get("/browser/books/row?key=8").text) == []


@pytest.mark.usefixtures("library")
def test_a_row_counts_the_rows_that_reference_it_by_several_columns(browser: PageClient) -> None:
    page = browser.get("/browser/shelves/row?key=2&key=1").text

    link = "/browser/books?where=place:is:2&where=room:is:1"
    assert re.search(rf'href="{re.escape(html.escape(link))}">books</a>\s*<small>place, room</small></span>'
                     r'<span class="number">1</span>', page)  # fmt: skip
    listed = browser.get(link).text
    assert 'aria-label="Open 7"' in listed
    assert 'aria-label="Open 8"' not in listed


def test_the_organization_of_every_row_is_a_link(app: Flask, browser: PageClient, uma: Person, acme: Tenant) -> None:
    team = Teams(app).add(acme, "Drivers", uma)
    organization = f"/browser/organizations/row?key={acme.id}"

    assert organization in links_in(browser.get(f"/browser/team_members/row?key={team}&key={uma.id}").text)
    for table in ("team_members", "teams", "users", "activity", "operations"):
        assert organization in links_in(browser.get(f"/browser/{table}?show=organization_id").text), table


def test_an_event_links_to_its_operation_and_back(app: Flask, browser: PageClient, acme: Tenant) -> None:
    Teams(app).add(acme)
    listed = browser.get("/browser/activity?show=operation_id").text

    (operation, *_) = links_in(listed)
    assert operation.startswith("/browser/operations?where=id:is:")
    assert 'aria-label="Open ' in browser.get(operation).text
    event = links_in(browser.get("/browser/operations?show=event_id").text)[0]
    assert re.fullmatch(r"/browser/activity/row\?key=\d+", event)
    assert browser.get(event).status_code == 200


def test_a_value_too_long_for_a_link_has_none() -> None:
    one = Reference(("a", "b"), "other", ("x", "y"))
    assert one.target({"a": "1", "b": "2" * 81}, 80) is None
    assert one.target({"a": "1", "b": None}, 80) is None
    assert one.target({"a": "1"}, 80) is None
    found = one.target({"a": "1", "b": str(uuid.UUID(int=0))}, 80)
    assert found is not None
    assert found.key == ()
    ordered = one.in_order(["y", "x"]).target({"a": "1", "b": "2"}, 80)
    assert ordered is not None
    assert ordered.key == ["2", "1"]
