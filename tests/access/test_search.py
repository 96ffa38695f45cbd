"""Searches rank the best matches first, on every page and for everybody, without reading the whole table."""

from __future__ import annotations

import itertools
import uuid
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from portal.core.actor import Role
from portal.core.batch import create_many
from portal.core.db import command, db, without_time_limit
from portal.organizations import queries as organizations
from portal.users import queries
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

PEOPLE = (
    ("x.ada@example.com", None, None),
    ("adabell@example.com", "Adabell", "Stone"),
    ("yamada@example.com", "Taro", "Yamada"),
    ("lin.ramada@example.com", "Lin", "Ramada"),
    ("only@example.org", "Ada", None),
)


@pytest.fixture
def directory(app: Flask, acme: Tenant, ada: Person, root: Person) -> dict[str, Person]:
    """Ada Admin is ada@example.com; others have a similar name or address, and are newer."""
    rows = [
        {"email": email, "first_name": first, "last_name": last, "organization_id": acme.id}
        for email, first, last in PEOPLE
    ]
    with acting(app):
        command(create_many)(User, rows)
    return {"ada": ada, "root": root}


def listed(arguments: dict[str, str], per_page: int = 100) -> list[str]:
    """The emails of all pages, in order."""
    emails: list[str] = []
    while True:
        listing = queries.listing(arguments, "/users/")
        listing.per_page = per_page
        page = listing.page()
        emails += [row.email for row in page.rows]
        if not page.links["next"]:
            return emails
        arguments = dict(parse_qsl(urlsplit(page.links["next"]).query))


@pytest.mark.parametrize("who", ["ada", "root"])
@pytest.mark.parametrize(
    "q",
    [
        "ada@example.com",
        "ADA@Example.com",
        '"Admin, Ada" <ada@example.com>;',
        "mailto:ada@example.com",
        " ada@example.com,",
    ],
)
def test_an_email_address_lists_its_owner_first(app: Flask, directory: dict[str, Person], who: str, q: str) -> None:
    with acting(app, directory[who]):
        found = listed({"q": q})

    assert found[:2] == ["ada@example.com", "x.ada@example.com"]
    assert set(found[2:]) == {"yamada@example.com", "lin.ramada@example.com"}


@pytest.mark.parametrize("who", ["ada", "root"])
def test_a_name_lists_exact_names_then_word_beginnings_then_the_rest(
    app: Flask, directory: dict[str, Person], who: str
) -> None:
    with acting(app, directory[who]):
        found = listed({"q": "ada"})

    assert found[0] == "only@example.org"
    assert set(found[1:4]) == {"ada@example.com", "x.ada@example.com", "adabell@example.com"}
    assert set(found[4:]) == {"yamada@example.com", "lin.ramada@example.com"}


@pytest.mark.parametrize("who", ["ada", "root"])
@pytest.mark.parametrize("q", ["lin ramada", "RAMADA LIN"])
def test_a_whole_name_is_found_first_in_either_order(
    app: Flask, directory: dict[str, Person], build: Builder, acme: Tenant, who: str, q: str
) -> None:
    build.person("lin@ramada.example", first_name="Linda", last_name="Ramada", tenant=acme)

    with acting(app, directory[who]):
        assert listed({"q": q}) == ["lin.ramada@example.com", "lin@ramada.example"]


@pytest.mark.parametrize("who", ["ada", "root"])
@pytest.mark.parametrize("q", ["ada", "ada@example.com", "example", "am", "a", "nobody"])
@pytest.mark.parametrize("status", ["active", "deleted"])
def test_ranked_pages_show_every_row_once_forward_and_backward(
    app: Flask, directory: dict[str, Person], who: str, q: str, status: str
) -> None:
    if status == "deleted":
        with acting(app):
            command(db.session.execute)(text("UPDATE users SET deleted_at = now() WHERE first_name IS NOT NULL"))
    with acting(app, directory[who]):
        whole = listed({"q": q, "status": status})
        assert listed({"q": q, "status": status}, per_page=2) == whole
        backward: list[str] = []
        arguments = {"q": q, "status": status, "page": "last"}
        while True:
            listing = queries.listing(arguments, "/users/")
            listing.per_page = 2
            page = listing.page()
            backward = [row.email for row in page.rows] + backward
            if not page.links["previous"]:
                break
            arguments = dict(parse_qsl(urlsplit(page.links["previous"]).query))

    assert backward == whole


def test_a_search_can_be_sorted_in_another_order(app: Flask, directory: dict[str, Person]) -> None:
    with acting(app, directory["ada"]):
        listing = queries.listing({"q": "ada"}, "/users/")
        by_name = queries.listing({"q": "ada", "sort": "name"}, "/users/")

        assert (listing.sort, listing.best_url) == ("best", None)
        assert by_name.url == "/users/?q=ada&sort=name"
        assert by_name.best_url == "/users/?q=ada"
        assert queries.listing({"sort": "best"}, "/users/").sort == "-created_at"


@pytest.mark.parametrize("who", ["ada", "root"])
def test_names_sort_without_accents_and_unnamed_people_come_last(
    app: Flask, directory: dict[str, Person], build: Builder, acme: Tenant, who: str
) -> None:
    for name in ("Åberg", "Abel", "Azur", "Zeta", "Ægir"):
        build.person(f"{name.encode().hex()}@example.com", last_name=name, first_name=None, tenant=acme)
    with acting(app, directory[who]):
        rows = queries.listing({"sort": "name", "per_page": "100"}, "/users/").page().rows
        names = [row.last_name for row in rows if row.last_name in ("Åberg", "Abel", "Azur", "Zeta", "Ægir")]

    assert names == ["Abel", "Åberg", "Ægir", "Azur", "Zeta"]
    assert rows[-1].email == "x.ada@example.com"


@pytest.mark.parametrize("q", ["ada@münchen.de", "ada@xn--mnchen-3ya.de", "münchen.de", "Ada <ada@MÜNCHEN.de>"])
def test_an_international_domain_is_found_in_both_forms(
    app: Flask, build: Builder, acme: Tenant, bea: Person, root: Person, q: str
) -> None:
    for email in ("ada@xn--mnchen-3ya.de", "other.ada@münchen.de"):
        build.person(email, tenant=acme)

    with acting(app, root):
        assert set(listed({"q": q})) == {"ada@xn--mnchen-3ya.de", "other.ada@münchen.de"}


def test_organizations_are_ranked_by_slug_name_and_beginning(app: Flask, root: Person, build: Builder) -> None:
    for name, slug in (("Bigacme", "big"), ("Acme Zwei", "zwei"), ("ACME", "other"), ("Third", "acme")):
        build.tenant(name, slug=slug)

    with acting(app, root):
        page = organizations.listing({"q": "acme"}, "/organizations/").page()
        suggested = [row.slug for row in db.session.execute(organizations.suggested("acme"))]

    assert [row.slug for row in page.rows] == suggested == ["acme", "other", "zwei", "big"]


MANY = """
INSERT INTO organizations (name, slug) SELECT 'Home ' || n, 'home-' || n FROM generate_series(1, 20) n;
UPDATE organizations SET deleted_at = now() WHERE slug = 'home-20';
INSERT INTO users (email, first_name, last_name, organization_id, created_at, role, email_verified, is_active,
    last_sign_in_at, deleted_at)
SELECT 'person' || n || CASE WHEN n % 3 = 0 THEN '@sub.example.com' ELSE '@example.com' END, 'First' || n % 90,
    CASE WHEN n < 300 THEN 'Recent' WHEN n % 50 = 0 THEN 'Yamada' WHEN n % 700 = 0 THEN 'Ada'
        ELSE 'Last' || n % 800 END, o.id, now() - n * interval '1 minute',
    CASE WHEN n % 97 = 0 THEN 'ADMIN' ELSE 'USER' END::"Role", n % 5 = 0, n % 11 <> 0,
    CASE WHEN n % 4 <> 0 THEN now() - n * interval '3 seconds' END, CASE WHEN n % 13 = 0 THEN now() END
FROM generate_series(1, 20000) n
    JOIN organizations o ON o.slug = 'home-' || CASE n % 2 WHEN 0 THEN 1 ELSE 1 + n % 20 END;
INSERT INTO users (email, first_name, organization_id)
SELECT 'solo' || n || '@example.com', CASE n WHEN 0 THEN 'Wanda' ELSE 'Person' END, id
FROM generate_series(0, 40) n, organizations WHERE slug = 'home-1';
UPDATE users SET email = 'wanda@example.com' WHERE first_name = 'Wanda';
ANALYZE users, organizations
"""


def fill() -> None:
    with without_time_limit():
        for statement in MANY.split(";"):
            db.session.connection().exec_driver_sql(statement.replace("%", "%%"))


SAMPLE = 1_000  # portal_find_users first reads this many rows, to estimate how frequent the words are
READ = "SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'users'"


def test_a_ranked_page_reads_few_rows_of_many(fresh_app: Flask) -> None:
    with acting(fresh_app):
        command(fill)()
    bounds = {"ada": 4_000, "yamada": 1_500, "person83@example.com": 20, "person": 200, "da@example.com": 20}
    for q, limit in bounds.items():
        with acting(fresh_app):
            db.session.execute(
                text("SET LOCAL enable_seqscan = off")
            )  # 20,000 rows are so few that PostgreSQL would scan them
            before: Any = db.session.scalar(text(READ)) or 0
            rows = db.session.execute(queries.listing({"q": q}, "/users/")._page_statement()).all()
            read = db.session.scalar(text(READ)) - before

        assert rows
        assert read <= SAMPLE + limit, q


REFERENCE = """
SELECT email FROM (SELECT *, CASE
        WHEN lower(email) = :q THEN 1
        WHEN lower(concat_ws(' ', first_name, last_name)) IN (:q, :reversed) THEN 2
        WHEN search_text LIKE ALL (CAST(:beginnings AS text[])) THEN 3
        ELSE 4 END AS rank FROM users) u
WHERE search_text LIKE ALL (CAST(:patterns AS text[]))
    AND (organization_id = :organization OR CAST(:organization AS uuid) IS NULL) AND {}
ORDER BY {} LIMIT 60
"""
HOME = "organization_id NOT IN (SELECT id FROM organizations WHERE deleted_at IS NOT NULL)"
ACTIVE = f"deleted_at IS NULL AND is_active AND {HOME}"
NEWEST_FIRST = ("rank", "created_at DESC", "id DESC")
LISTS = {
    "": (ACTIVE, NEWEST_FIRST),
    "status=deleted": ("deleted_at IS NOT NULL", ("rank", "deleted_at DESC", "id DESC")),
    "status=deactivated": ("deleted_at IS NULL AND NOT is_active", NEWEST_FIRST),
    "role=ADMIN": (f"{ACTIVE} AND role = 'ADMIN'", NEWEST_FIRST),
    "verified=yes&sort=name": (f"{ACTIVE} AND email_verified", ('sort_name COLLATE "C"', "id")),
    "last_sign_in=never&sort=-created_at": (f"{ACTIVE} AND last_sign_in_at IS NULL", NEWEST_FIRST[1:]),
    "last_sign_in_before=2999-01-01": (f"{ACTIVE} AND last_sign_in_at IS NOT NULL", NEWEST_FIRST),
    "sort=last_sign_in_at": (ACTIVE, ("coalesce(last_sign_in_at, '0001-01-01 00:00:00+00')", "id")),
}
TERMS = (
    "ada", "yamada", "recent", "person83@example.com", "person", "da@example.com", "xample", "first7", "last77 first7",
    "first7 example", "nobody", "7", "pe", "recent person", "ecent", "m",
)  # fmt: skip


def expected(q: str, query: str, organization: Any, reversed_order: bool) -> list[str]:
    """The emails of the first 60 rows of a list, or of the last ones in reverse, from a query without the index."""
    condition, order = LISTS[query]
    if reversed_order:
        order = tuple(key.removesuffix(" DESC") if key.endswith(" DESC") else f"{key} DESC" for key in order)
    patterns = [str(db.session.scalar(select(func.portal_search_pattern(word)))) for word in q.split()]
    beginnings = [f"% {pattern.lstrip('% ')}" for pattern in patterns]
    words = {"q": q, "reversed": " ".join(reversed(q.split()))}
    values = {**words, "patterns": patterns, "beginnings": beginnings, "organization": organization}
    return list(db.session.scalars(text(REFERENCE.format(condition, ", ".join(order))), values))


def paged(arguments: dict[str, str], link: str) -> list[str]:
    """The emails of two pages, from the first one forward or from the last one backward."""
    emails: list[str] = []
    for _ in range(2):
        page = queries.listing(arguments, "/users/").page()
        found = [row.email for row in page.rows]
        emails += found[::-1] if link == "previous" else found
        address = page.links[link]
        if not address:
            break
        arguments = dict(parse_qsl(urlsplit(address).query))
    return emails


@pytest.fixture
def crowd(fresh_app: Flask) -> dict[str, Person | None]:
    """20,000 people, searched by the system and by the administrator of a large organization."""
    with acting(fresh_app):
        command(fill)()
        organization = db.session.scalar(text("SELECT id FROM organizations WHERE slug = 'home-1'"))
    admin = Person(uuid.uuid4(), "admin@example.com", "Admin", Role.ADMIN, organization)
    return {"everybody's": None, "an organization's": admin}


def test_a_search_among_many_finds_the_same_people_as_a_full_scan(
    fresh_app: Flask, crowd: dict[str, Person | None]
) -> None:
    """Frequent and rare words, on the first and the last pages."""
    searches = [*zip(TERMS, itertools.repeat("")), *zip(TERMS * 2, itertools.cycle(LISTS))]
    for person in crowd.values():
        for (q, query), reversed_order in itertools.product(searches, (False, True)):
            with acting(fresh_app):
                wanted = expected(q, query, person.organization_id if person else None, reversed_order)
            with acting(fresh_app, person):
                arguments = {"q": q, **dict(parse_qsl(query)), **({"page": "last"} if reversed_order else {})}
                found = paged(arguments, "previous" if reversed_order else "next")

            assert len(found) == min(len(wanted), 50), (q, query, reversed_order)
            assert found == wanted[: len(found)], (q, query, reversed_order)
