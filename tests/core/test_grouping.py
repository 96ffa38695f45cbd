"""Lists sorted by groups show every row once, forward and backward, whatever is equal or missing."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from sqlalchemy import text

from portal.core import listing as lists
from portal.core.actor import Role
from portal.core.batch import create_many
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.listing import Listing
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.organizations.resource import resource as of_organizations
from portal.resources.resource import Resource
from portal.teams.models import Team
from portal.teams.resource import resource as of_teams
from portal.users.models import User
from portal.users.resource import resource as of_people
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant, page_client
from tests.pages import PageClient, names_in

BEGAN = datetime(2024, 5, 1, tzinfo=UTC)
SIZE = 7  # rows per page in these walks
RESOURCES: dict[str, Resource[Any]] = {"users": of_people, "teams": of_teams, "organizations": of_organizations}
ROLES = [Role.USER, Role.ADMIN, Role.USER]
LIVE = ("role", "two_factor", "email_verified", "expires_on", "time_zone", "updated_at", "organization_name")
SORTS = [
    *(("users", "active", sort) for sort in LIVE),
    *(("users", "invited", sort) for sort in ("status", "invited_at", "role", "organization_name")),
    *(("users", "deactivated", sort) for sort in ("organization_name", "expires_on", "activates_on")),
    *(("users", "deleted", sort) for sort in ("name", "role", "two_factor", "email_verified", "organization_name")),
    *(("users", "organization-deleted", sort) for sort in ("organization_name", "activates_on")),
    *(("teams", tab, sort) for tab, sort in (("active", "organization_name"), ("deleted", "organization_name"))),
    *(("teams", tab, sort) for tab, sort in (("active", "updated_at"), ("deleted", "name"))),
    *((name, tab, "people") for name in ("organizations", "teams") for tab in ("active", "deleted")),
]
MEMBERS = """INSERT INTO team_members (team_id, user_id, organization_id)
    SELECT t.id, u.id, t.organization_id FROM teams t JOIN users u USING (organization_id)
    WHERE u.deleted_at IS NULL AND t.deleted_at IS NULL AND left(md5(t.name), 1) > left(md5(u.email), 1)"""


@command
def fill(*tenants: Tenant) -> None:
    """People of every kind in several tenants, and teams. Three share each time, and many values are missing."""
    places = [*(one.id for one in tenants), None]
    rows = [
        {
            "email": f"p{n:03}@example.com",
            "first_name": f"{n // 4:03}",
            "role": Role.SUPER_ADMIN if n % 40 == 7 else ROLES[n % 3],
            "organization_id": places[n % len(places)] if n % 40 == 7 or n % len(places) < len(tenants) else places[0],
            "created_at": BEGAN + timedelta(minutes=n // 3),
            "email_verified": n % 4 > 0,
            "expires_on": date(2030, 1, 1 + n % 5) if n % 2 else None,
            "activates_on": date(2030, 1, 1 + n // 12 % 4) if n % 12 == 0 else None,
            "time_zone": ("Europe/Berlin", "Asia/Tokyo")[n % 2] if n % 3 else None,
            "is_active": n % 6 > 0,
            "invited_at": now() - timedelta(days=n % 9, minutes=n // 2) if n % 5 in (1, 2) else None,
            "revoked_at": now() if n % 10 == 1 else None,
            "deleted_at": BEGAN + timedelta(days=n // 3) if n % 7 == 0 else None,
        }
        for n in range(170)
    ]
    create_many(User, rows)
    kinds = [{"name": f"Team {n // 2}", "organization_id": tenants[n % len(tenants)].id} for n in range(24)]
    ended = [{**kind, "name": f"{kind['name']} b", "deleted_at": BEGAN} for kind in kinds]
    create_many(Team, [{**kind, "name": f"{kind['name']} {n % 2}"} for n, kind in enumerate(kinds)] + ended)
    db.session.execute(text("UPDATE users SET has_two_factor = true WHERE right(email, 12) < '5' OR email LIKE 'p_3%'"))
    db.session.execute(text(MEMBERS))


@pytest.fixture
def filled(app: Flask, build: Builder, root: Person, ada: Person, acme: Tenant) -> Iterator[Flask]:
    others = [build.tenant(f"Same {n % 2}", slug=f"same-{n}") for n in range(9)]
    with acting(app):
        fill(acme, *others[:5])
        for one in others[2:4]:
            organizations.delete(one.id)
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        db.session.commit()
    yield app


def listing_of(name: str, query: str) -> Listing:
    found = RESOURCES[name].listing(dict(parse_qsl(query)), f"/{name}/", {})
    found.per_page = SIZE
    return found


def walked(name: str, query: str, link: str) -> list[Any]:
    """The rows of all pages, in the order of the pages."""
    rows: list[Any] = []
    url: str | None = f"?{query}"
    while url:
        page = listing_of(name, urlsplit(url).query).page()
        assert len(page.rows) == SIZE or page.links[link] is None or link == "previous", url
        rows = [*rows, *page.rows] if link == "next" else [*page.rows, *rows]
        url = page.links[link]
        assert len(rows) < 1_000
    return rows


def keys(rows: Sequence[Any]) -> list[uuid.UUID]:
    return [row.id for row in rows]


def test_every_row_is_shown_once_forward_and_backward(filled: Flask, root: Person, ada: Person) -> None:
    for who in (root, ada):
        with acting(filled, who):
            for name, status, sort in SORTS:
                if who is root or "organization" not in f"{name} {status} {sort}":
                    _assert_shown_once(name, f"status={status}", sort)


def _assert_shown_once(name: str, of: str, sort: str) -> None:
    every = {one.id for batch in listing_of(name, of).batches(500) for one in batch}
    for way in ("", "-"):
        query = f"{of}&sort={way}{sort}"
        assert listing_of(name, query).refused == {}
        forward = keys(walked(name, query, "next"))
        assert (len(forward), set(forward)) == (len(every), every), query
        assert keys(walked(name, f"{query}&page=last", "previous")) == forward, query
    assert [one.id for batch in listing_of(name, query).batches(31) for one in batch] == forward, query


def shown(filled: Flask, who: Person, query: str, name: str = "users") -> list[Any]:
    with acting(filled, who):
        return walked(name, query, "next")


def test_rows_are_in_the_order_of_what_they_show(filled: Flask, root: Person, ada: Person) -> None:
    def is_sorted(values: Sequence[Any]) -> bool:
        return list(values) == sorted(values)

    rank = {Role.SUPER_ADMIN: 0, Role.ADMIN: 1, Role.USER: 2}
    assert is_sorted([(rank[row.role], -row.created_at.timestamp()) for row in shown(filled, root, "sort=role")])
    assert is_sorted([row.has_two_factor for row in shown(filled, ada, "sort=two_factor")])
    assert is_sorted([row.email_verified for row in shown(filled, root, "sort=email_verified")])
    for who in (root, ada):
        days = [row.activates_on for row in shown(filled, who, "status=deactivated&sort=activates_on")]
        known = [day for day in days if day]
        assert is_sorted(known) and known == days[: len(known)] and len(set(known)) > 1
    invited = shown(filled, root, "status=invited&sort=status")
    states = [(row.revoked_at is not None, -row.invited_at.timestamp()) for row in invited]
    assert is_sorted(states) and len({one for one, _ in states}) == 2
    homes = [row.organization_name for row in shown(filled, root, "sort=organization_name")]
    assert is_sorted([name.casefold() or "zz" for name in homes]) and len(set(homes)) == 4
    homes = [row.organization_name for row in shown(filled, root, "sort=organization_name", "teams")]
    assert is_sorted([name.casefold() for name in homes])
    sizes = [row.people for row in shown(filled, root, "sort=people", "organizations")]
    assert is_sorted(sizes) and len(set(sizes)) > 2
    for who in (root, ada):
        sizes = [row.people for row in shown(filled, who, "sort=people", "teams")]
        assert is_sorted(sizes) and len(set(sizes)) > 1


def test_searches_and_filters_that_few_rows_pass_are_sorted_too(
    filled: Flask, root: Person, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for who in (root, ada):
        for sort in ("role", "expires_on", *(("organization_name",) if who is root else ())):
            for filters in ("q=p0", "role=ADMIN&verified=no"):
                for most in (0, 10**9):  # the planner's estimates decide
                    monkeypatch.setattr(lists, "SCANNED_ABOVE", most)
                    found = keys(shown(filled, who, f"{filters}&sort={sort}"))
                    expected = set(keys(shown(filled, who, f"{filters}&sort=name")))
                    assert (len(found), set(found)) == (len(expected), expected), (who.name, sort, filters, most)
                    back = f"{filters}&sort={sort}&page=last"
                    with acting(filled, who):
                        assert keys(walked("users", back, "previous")) == found


def cursor(value: Any, key: str = str(uuid.UUID(int=1))) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, key]).encode()).decode().rstrip("=")


HOSTILE = (
    "", "1", "x", "[]", "[0]", "[9, 1]", "[-1, 1]", "[true, 1]", '{"a": 1}', "[1e400, 1]", "[[], 1]", "null",
    '[0, "2024-01-01"]', '[0, "\\u0000", "x"]', '[0, "a", "x", "2024-01-01"]', '[1, "99999-01-01"]',
    '[0, "\\u0000", "00000000-0000-0000-0000-000000000000", "2024-01-01"]', '[0, 9e9, 1, 1, 1]',
    f'[0, {"9" * 30}, "00000000-0000-0000-0000-000000000000", "2024-01-01"]', "[" * 900,
)  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/users/?sort=role", "/users/?sort=organization_name", "/users/?sort=time_zone", "/users/?sort=expires_on",
        "/users/?status=deactivated&sort=activates_on",
        "/organizations/?sort=people", "/teams/?sort=people",
    ],
)  # fmt: skip
def test_hostile_cursors_still_show_a_page(
    client: PageClient, app: Flask, sign_in: SignIn, build: Builder, root: Person, uma: Person, path: str
) -> None:
    build.person("off@example.com", is_active=False, role=Role.SUPER_ADMIN)
    with acting(app):
        create_many(Team, [{"name": "Drivers", "organization_id": uma.organization_id}])
        db.session.commit()
    sign_in(root)
    for value in HOSTILE:
        for side in ("after", "before"):
            page = client.get(f"{path}&{side}={cursor(value)}")
            assert page.status_code == 200
            assert names_in(page.text), (value, side)


def test_columns_link_to_their_sort_and_tenants_have_no_sort_by_organization(
    client: PageClient, app: Flask, sign_in: SignIn, build: Builder, root: Person, ada: Person, acme: Tenant
) -> None:
    build.person("gone@example.com", tenant=acme, deleted_at=now())
    build.person("new@example.com", tenant=acme, invited_at=now())
    build.person("off@example.com", tenant=acme, is_active=False)
    with acting(app):
        create_many(Team, [{"name": "Drivers", "organization_id": acme.id}])
        db.session.commit()
    sign_in(ada)
    page = client.get("/users/").text
    for name in ("name", "role", "last_sign_in_at", "created_at"):
        assert f"sort={name}" in page or f"sort=-{name}" in page, name
    assert "“sort” has no such option" in client.get("/users/?sort=organization_name").text
    assert "“sort” has no such option" in client.get("/teams/?sort=organization_name").text
    everywhere = page_client(app, root)
    for path, names in (
        ("/users/", ("role", "organization_name")),
        ("/users/?columns=two_factor,email_verified", ("two_factor", "email_verified")),
        ("/users/?columns=expires_on,time_zone,updated_at", ("expires_on", "time_zone", "updated_at")),
        ("/users/?status=deactivated&columns=activates_on", ("activates_on",)),
        ("/users/?status=deleted", ("name", "role", "organization_name")),
        ("/users/?status=invited&columns=invited_at,status", ("status", "invited_at")),
        ("/organizations/?columns=updated_at,people", ("people", "updated_at")), ("/teams/", ("organization_name",)),
    ):  # fmt: skip
        text = everywhere.get(path).text
        for name in names:
            assert f"sort={name}" in text, (path, name)


def test_organizations_sort_by_people_after_each_commit(fresh_app: Flask) -> None:
    with acting(fresh_app):
        one, other = (
            organizations.create({"name": name, "slug": name}, row_id=uuid.uuid4()) for name in ("one", "other")
        )
        _add(one, 1), _add(other, 2)
        assert _order() == [one, other]
        _add(one, 3)
        assert _order() == [other, one]
        _leave(one)
        assert _order() == [one, other]
    with acting(fresh_app):
        assert db.session.execute(text("SELECT people FROM organization_sizes ORDER BY 1")).scalars().all() == [0, 2]


@command
def _add(organization: Any, number: int) -> None:
    create_many(
        User, [{"email": f"{uuid.uuid4()}@example.com", "organization_id": organization} for _ in range(number)]
    )


@command
def _leave(organization: Any) -> None:
    db.session.execute(text("UPDATE users SET is_active = false WHERE organization_id = :key"), {"key": organization})


def _order() -> list[Any]:
    names = [row.id for row in listing_of("organizations", "sort=people").page().rows]
    assert db.session.query(Organization).count() == len(names)
    return names
