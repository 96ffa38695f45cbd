"""The filters of the list of organizations, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import text

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.counts import Count
from portal.core.db import db
from portal.core.listing import Listing
from portal.organizations import filters
from portal.organizations.resource import resource
from tests.acting import acting
from tests.cast import Builder, Person, SignIn
from tests.pages import HTMX, PageClient, names_in


@pytest.fixture
def places(app: Flask, build: Builder, root: Person) -> None:
    """Organizations with 0, 1, 4 and 12 people, of whom none, all, one and all but one have two factors."""
    for number, protected, day in ((0, 0, 1), (1, 1, 2), (4, 1, 3), (12, 11, 4)):
        place = build.tenant(
            f"Place {number}", slug=f"place-{number}", created_at=datetime(2025, 3, day, 12, tzinfo=UTC)
        )
        for n in range(number):
            role = Role.ADMIN if n == 0 and number > 1 else Role.USER
            build.person(f"p{n}@place{number}.com", tenant=place, role=role, has_two_factor=n < protected)
        build.person(f"off@place{number}.com", tenant=place, is_active=False)
    with acting(app):
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        db.session.commit()


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("size=0", {0}), ("size=1-9", {1, 4}), ("size=0&size=10-99", {0, 12}), ("size=1000-", set()),
        ("coverage=none", set()), ("coverage=100", {1}), ("coverage=1-49", {4}), ("coverage=50-99", {12}),
        ("coverage=1-49,50-99", {4, 12}), ("administrators=none", {0, 1}), ("administrators=none&size=1-9", {1}),
        ("created_from=2025-03-03", {4, 12}), ("created_until=2025-03-02", {0, 1}),
        ("created_from=2025-03-02&created_until=2025-03-03&sort=-people", {1, 4}), ("size=1-9&q=place", {1, 4}),
    ],
)  # fmt: skip
def test_organizations_are_filtered(
    client: PageClient, sign_in: SignIn, root: Person, places: None, query: str, numbers: set[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sign_in(root)

    for headers, expected in (({}, filters.LOOKED_UP_ABOVE), (HTMX, -1)):  # few matches, and many
        monkeypatch.setattr(filters, "LOOKED_UP_ABOVE", expected)
        page = client.get(f"/organizations/?{query}", headers=headers).text
        assert set(names_in(page)) == {f"Place {number}" for number in numbers}
    lines = client.get(f"/organizations/export?{query}").text.strip().splitlines()
    assert len(lines) == len(numbers) + 1


def test_sizes_count_the_organizations_that_are_listed(app: Flask, build: Builder, root: Person, places: None) -> None:
    build.tenant("Gone", deleted_at=now())
    with acting(app, root):
        for asked in (
            {"size": "0"},
            {"size": "0,1-9", "coverage": "none,100,1-49"},
            {"size": "0", "status": "deleted"},
            {"administrators": "none"},
            {"administrators": "none", "size": "0"},
            {"administrators": "none", "status": "deleted"},
        ):
            found = resource.listing(asked, "/organizations/", {})
            assert [found.page().total] == Listing.totals(found) == [Count(len(found.page().rows))], asked


def test_totals_of_active_and_deleted_rows_are_counted_each_by_its_own_list(
    app: Flask, build: Builder, root: Person, places: None
) -> None:
    for name in ("Gone", "Left"):
        build.tenant(name, deleted_at=now())
    with acting(app, root):
        lists = [resource.listing({"status": status}, "/organizations/", {}) for status in ("deleted", "", "deleted")]

        assert Listing.totals(*lists) == [one.page().total for one in lists]
        assert Listing.totals(lists[0]) == [Count(2)]


def test_all_filters_are_on_one_page_and_unknown_values_are_reported(
    client: PageClient, sign_in: SignIn, root: Person, places: None
) -> None:
    sign_in(root)

    form = client.get("/organizations/filters?size=0&created_from=2025-03-01").text
    for field in (
        'name="size" value="0" checked', 'name="size" value="1000-">', 'name="coverage" value="none"',
        'name="created_from" value="2025-03-01"', 'name="created_until"', 'name="administrators"',
    ):  # fmt: skip
        assert field in form, field
    assert 'href="/organizations/filters"' in client.get("/organizations/").text
    page = client.get("/organizations/?size=0,7-8&coverage=x&created_from=soon").text
    assert page.count("has no such option, so it has no effect") == 2
    assert "This is not a valid date" in page
    assert names_in(page) == ["Place 0"]


def test_admins_see_no_list_of_organizations(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    for path in ("/organizations/?size=0", "/organizations/filters", "/organizations/export?coverage=none"):
        assert client.get(path).status_code == 403
