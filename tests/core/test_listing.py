"""Lists show each row once and report honest counts, whatever the cursor."""

from __future__ import annotations

import base64
import json
import string
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, text

from portal.core import counts, listing
from portal.core.actor import Role
from portal.core.batch import create_many
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.keys import uuid7
from portal.core.listing import PER_PAGE, Count, Listing, Page
from portal.organizations import queries as organizations
from portal.organizations.models import Organization
from portal.users import queries
from portal.users.models import User
from tests.acting import acting
from tests.cast import Builder, Person, Tenant

BEGAN = datetime(2024, 5, 1, tzinfo=UTC)


def people(**arguments: Any) -> Listing:
    return queries.listing({name: str(value) for name, value in arguments.items()}, "/users/")


def followed(url: str | None) -> Listing:
    assert url is not None
    return queries.listing(dict(parse_qsl(urlsplit(url).query)), "/users/")


def names(page: Page) -> list[str]:
    return [row.first_name for row in page.rows]


def found(q: str) -> set[str]:
    return {row.email.split("@")[0] for row in people(q=q).page().rows}


@command
def add(tenant: Tenant, *people: dict[str, Any]) -> None:
    create_many(User, [{"organization_id": tenant.id, **person} for person in people])


def add_many(tenant: Tenant, number: int) -> None:
    """Groups of three share a time and a name, so that only the key decides their order."""
    add(
        tenant,
        *(
            {
                "email": f"p{n:04}@example.com",
                "first_name": f"{n:04}",
                "last_name": f"Group {n // 3:04}" if n % 5 else None,
                "created_at": BEGAN + timedelta(minutes=n // 3),
            }
            for n in range(number)
        ),
    )


# Pages


@pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at"])
@pytest.mark.parametrize("who", ["root", "ada"])
def test_walking_forward_and_backward_shows_every_row_once_in_order(
    app: Flask, root: Person, ada: Person, acme: Tenant, sort: str, who: str
) -> None:
    with acting(app):
        add_many(acme, 160)
    with acting(app, {"root": root, "ada": ada}[who]):
        listing = people(sort=sort)
        forward = [list(listing.page().rows)]
        page = listing.page()
        while page.links["next"]:
            page = followed(page.links["next"]).page()
            forward.append(list(page.rows))
        backward = [list(followed(listing.url_with(page="last")).page().rows)]
        page = followed(listing.url_with(page="last")).page()
        while page.links["previous"]:
            page = followed(page.links["previous"]).page()
            backward.append(list(page.rows))

    ids = [row.id for page in forward for row in page]
    expected = 162 if who == "root" else 161
    assert len(ids) == len(set(ids)) == expected
    assert [row.id for page in reversed(backward) for row in page] == ids
    keys = [(row.sort_key, row.id) for page in forward for row in page]
    assert keys == sorted(keys, reverse=sort.startswith("-"))


def test_page_links_lead_to_the_first_previous_next_and_last_page(app: Flask, ada: Person, acme: Tenant) -> None:
    with acting(app):
        add_many(acme, 74)
    with acting(app, ada):
        first = people().page()
        middle = followed(first.links["next"]).page()
        last = followed(middle.links["next"]).page()

        assert [len(page.rows) for page in (first, middle, last)] == [25, 25, 25]
        assert (first.links["first"], first.links["previous"], first.first_number) == (None, None, 1)
        assert (last.links["next"], last.links["last"]) == (None, None)
        assert names(followed(middle.links["first"]).page()) == names(first)
        assert names(followed(middle.links["previous"]).page()) == names(first)
        assert names(followed(first.links["last"]).page()) == names(last)
        assert {page.total for page in (first, middle, last)} == {Count(75)}


def test_a_list_that_fits_on_a_page_has_no_links(app: Flask, ada: Person, uma: Person) -> None:
    with acting(app, ada):
        page = people().page()

    assert set(page.links.values()) == {None}
    assert page.total == Count(2)


def test_rows_added_or_removed_between_pages_shift_nothing(app: Flask, ada: Person, acme: Tenant) -> None:
    with acting(app):
        add_many(acme, 60)
    with acting(app, ada):
        first = people(sort="-created_at").page()
    with acting(app):
        add(acme, {"email": "newest@example.com", "created_at": now()})
        command(db.session.execute)(text("DELETE FROM users WHERE id = :id"), {"id": first.rows[-1].id})
    with acting(app, ada):
        second = followed(first.links["next"]).page()

    assert not {row.id for row in first.rows} & {row.id for row in second.rows}
    assert len(second.rows) == 25


@pytest.mark.parametrize(("name", "year"), [("after", 1990), ("before", 2990)])
def test_a_page_whose_rows_are_gone_falls_back_to_the_nearest_page(
    app: Flask, ada: Person, uma: Person, name: str, year: int
) -> None:
    cursor = written([datetime(year, 1, 1, tzinfo=UTC).isoformat(), str(uuid7())])

    with acting(app, ada):
        page, nobody = people(sort="-created_at", **{name: cursor}).page(), people(q="nobody", **{name: cursor}).page()

    assert {row.id for row in page.rows} == {ada.id, uma.id}
    assert nobody.rows == []


# Hostile query parameters


def written(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


HOSTILE = [
    "", "x", "%", "====", "\x00", "\ud800", "é", "0" * 10_000, "A" * 400, "'; DROP TABLE users; --", "../../etc/passwd",
    written(None), written([]), written({}), written("x"), written(1), written([1]), written([1, 2]), written([[], []]),
    written(["x", "x"]), written([None, str(uuid7())]), written([True, str(uuid7())]), written([{}, str(uuid7())]),
    written([1e400, str(uuid7())]), written(["2024-13-45", str(uuid7())]), written(["9999-12-31T23:59:59", "x"]),
    written(["0001-01-01T00:00:00+23:59", str(uuid7())]), written(["9999-12-31T23:59:59-23:59", str(uuid7())]),
    written(["2024-01-01", str(uuid7())]), written(["\x00", str(uuid7())]), written(["\ud800", str(uuid7())]),
    written(["a" * 500, str(uuid7())]), written(["x", 7]), written(["x", str(uuid7()), "more"]),
    base64.urlsafe_b64encode(b"[" * 700).decode(), base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    base64.urlsafe_b64encode(b"9" * 900).decode(), base64.urlsafe_b64encode(b"[NaN,Infinity]").decode(),
]  # fmt: skip


@pytest.mark.parametrize("sort", ["name", "-created_at"])
def test_in3_a_hostile_cursor_still_shows_a_page(app: Flask, ada: Person, uma: Person, sort: str) -> None:
    random = Random(7)  # noqa: S311 -- reproducible
    noise = ["".join(random.choices(string.printable, k=random.randint(1, 90))) for _ in range(150)]
    for cursor in (*HOSTILE, *noise):
        for direction in ("after", "before"):
            with acting(app, ada):
                assert len(people(sort=sort, **{direction: cursor}).page().rows) <= 2, repr(cursor)


@pytest.mark.parametrize(
    "value",
    ["0", "-1", "1", "24", "101", "9" * 40, "NaN", "inf", "1e2", "٢٥", "²⁵", "25.0", " 25", "+25", "0x19", "", "25;50"],
)
def test_in3_an_invalid_page_size_falls_back_to_the_default(app: Flask, ada: Person, value: str) -> None:
    with acting(app, ada):
        assert people(per_page=value).per_page == PER_PAGE[0]


@pytest.mark.parametrize("size", PER_PAGE)
def test_page_links_keep_the_chosen_size(app: Flask, ada: Person, acme: Tenant, size: int) -> None:
    with acting(app):
        add_many(acme, 120)
    with acting(app, ada):
        page = people(per_page=size).page()

        assert len(page.rows) == size
        assert followed(page.links["next"]).per_page == size


@pytest.mark.parametrize(
    "sort",
    ["password", "-password", "email", "id", "users.password", "search_text", "sort_name", "name desc", "--name"],
)
def test_ac5_in4_only_offered_columns_can_be_sorted_by(app: Flask, ada: Person, sort: str) -> None:
    with acting(app, ada):
        assert people(sort=sort).sort == people().sort


def test_in4_unknown_filter_values_are_ignored(app: Flask, ada: Person, uma: Person) -> None:
    for arguments in (
        {"status": "everything"}, {"role": "EMPEROR"}, {"verified": "maybe"}, {"password": "$2b$"},
        {"created_from": "x"}, {"status": "organization-deleted"}, {"page": "-1"}, {"page": "10" * 40},
    ):  # fmt: skip
        with acting(app, ada):
            listing = people(**arguments)
            assert len(listing.page().rows) == 2
            assert listing.url == "/users/"


def test_ac4_filtering_by_a_foreign_organization_looks_like_a_nonexistent_one(
    app: Flask, ada: Person, bea: Person, birch: Tenant
) -> None:
    pages = []
    for value in (birch.id, uuid.uuid4(), "nonsense"):
        with acting(app, ada):
            page = people(organization=value).page()
            pages.append((list(page.rows), page.total, dict(page.links)))

    assert pages == [([], Count(0), dict.fromkeys(("first", "previous", "next", "last")))] * 3


def test_the_url_of_a_list_is_canonical(app: Flask, ada: Person) -> None:
    with acting(app, ada):
        listing = people(
            q="  ada   okafor ", sort="name", per_page="50", role="ADMIN", page="7", x="y", status="active"
        )

        assert listing.url == "/users/?q=ada+okafor&role=ADMIN&sort=name&per_page=50"
        assert followed(listing.url).url == listing.url


# Counts


def test_ac3_counts_include_only_the_actors_tenant(
    app: Flask, ada: Person, uma: Person, bea: Person, birch: Tenant
) -> None:
    with acting(app):
        add_many(birch, 40)
    with acting(app, ada):
        assert people().page().total == Count(2)
        assert Listing.totals(people()) == [Count(2)]
    with acting(app, bea):
        assert [people().page().total] == Listing.totals(people()) == [Count(41)]


def test_a_kept_statement_gives_each_actor_and_each_search_its_own_rows(
    app: Flask, ada: Person, uma: Person, bea: Person
) -> None:
    asked = [
        (ada, {"q": "ada"}, {ada.email}), (bea, {"q": "ada"}, set()), (ada, {"q": "uma"}, {uma.email}),
        (bea, {"q": "bea"}, {bea.email}), (ada, {"role": "USER"}, {uma.email}), (bea, {"role": "USER"}, set()),
        (ada, {}, {ada.email, uma.email}), (bea, {}, {bea.email}),
    ]  # fmt: skip
    listing.forget()
    for actor, arguments, found in asked * 3:
        with acting(app, actor):
            assert {row.email for row in people(**arguments).page().rows} == found

    known = listing._kept.cache_info()
    assert (known.currsize, known.hits) == (3, 3 * len(asked) - 3)  # one statement for searches, one per filter


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The bounds of counts, divided by a hundred, so that few rows are enough to reach them."""
    assert counts.BOUND == 10_000
    for name in ("BOUND", "COUNTED_BELOW", "SEARCH_BOUND", "SEARCH_COUNTED_BELOW"):
        monkeypatch.setattr(counts, name, getattr(counts, name) // 100)
    listing.forget()
    yield counts.BOUND
    listing.forget()


ALL = {"created_from": "2000-01-01"}  # a filter that nobody has a total for


def test_counts_are_exact_below_the_bound(fresh_app: Flask, small_bounds: int) -> None:
    build = Builder(fresh_app)
    tenant = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=tenant)
    with acting(fresh_app):
        command(fill)(tenant, small_bounds - 2)
    for actor in (None, ada):
        with acting(fresh_app, actor):
            assert [people(**ALL).page().total] == Listing.totals(people(**ALL)) == [Count(small_bounds - 1)]
            parts = people(**ALL).divided([User.is_active, User.is_active.is_(False)])
            assert parts == [Count(small_bounds - 1), Count(small_bounds - 1), Count(0)]
            assert people(q="person").page().total == Count(small_bounds - 2)
            assert people(q="person", page="last").page().total == Count(small_bounds - 2)
            assert people(created_from="2999-01-01").page().total == Count(0)


def test_a_count_above_the_bound_is_marked_as_more_or_about(fresh_app: Flask, small_bounds: int) -> None:
    build = Builder(fresh_app)
    tenant = build.tenant("Acme")
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=tenant)
    with acting(fresh_app):
        command(fill)(tenant, 2 * small_bounds)
    with acting(fresh_app, ada):
        assert people(**ALL).page().total == Count(small_bounds, "more")
        assert Listing.totals(people(**ALL)) == [Count(small_bounds, "more")]
        assert people(**ALL).divided([User.is_active]) == [Count(small_bounds, "more")] * 2
        assert people().divided([User.is_active])[0] == people().page().total  # known, however many there are
        assert people(q="person").page().total == Count(counts.SEARCH_BOUND, "more")
    with acting(fresh_app):
        for about in (people(**ALL).page().total, people(q="person").page().total):
            assert about.kind == "about"
            assert about.value == pytest.approx(2 * small_bounds, rel=0.2)
    for actor in (None, ada):
        with acting(fresh_app, actor):  # totals know it, however many there are
            assert people().page().total == Listing.totals(people())[0] == Count(2 * small_bounds + 1)


def fill(tenant: Tenant, number: int) -> None:
    db.session.connection().exec_driver_sql(
        "INSERT INTO users (email, first_name, organization_id)"
        " SELECT 'person' || n || '@example.com', 'Person', %s FROM generate_series(1, %s) n",
        (tenant.id, number),
    )
    db.session.connection().exec_driver_sql("ANALYZE users")


# Search


@pytest.fixture
def directory(app: Flask, acme: Tenant, ada: Person) -> Person:
    """People whose names are hard to find, searched by ada, who isn't one of them."""
    given = {
        "zoe": ("Zoë", "Müller"), "jose": ("José", "Ñandú"), "lukasz": ("Łukasz", "Żółć"),
        "strasse": ("Groß", "Straße"),
        "percent": ("100%", "Sure"), "under": ("snake_case", "Under"), "slash": ("back\\slash", "Slash"),
        "al": ("Al", "Xu"), "mary": ("Mary-Ann", "O'Neil"), "renata": ("Renata", "Quill"), "li": ("李", "小龙"),
        "ole": ("Ærø", "Øye"),
    }  # fmt: skip
    rows = [{"email": f"{key}@mail.org", "first_name": one, "last_name": two} for key, (one, two) in given.items()]
    with acting(app):
        add(acme, *rows)
    return ada


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("muller", {"zoe"}), ("MÜLLER", {"zoe"}), ("Zoe\u0308", {"zoe"}), ("zoë", {"zoe"}), ("jose nandu", {"jose"}),
        ("lukasz", {"lukasz"}), ("ZOLC", {"lukasz"}), ("strasse", {"strasse"}), ("aero", {"ole"}), ("oye", {"ole"}),
    ],
)  # fmt: skip
def test_search_ignores_case_and_accents(app: Flask, directory: Person, q: str, expected: set[str]) -> None:
    with acting(app, directory):
        assert found(q) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("%", {"percent"}), ("%%%", set()), ("100%", {"percent"}), ("z%e", set()),
        ("_", {"under"}), ("___", set()), ("snake_", {"under"}), ("snakexcase", set()), ("e_c", {"under"}),
        ("z_e", set()),
        ("\\", {"slash"}), ("\\\\\\", set()), ("back\\slash", {"slash"}), ("k\\s", {"slash"}),
        ("'", {"mary"}), ("o'neil", {"mary"}), ("''; --", set()), ("*", set()), (".*", set()),
    ],
)  # fmt: skip
def test_in5_percent_underscore_and_backslash_are_ordinary_characters(
    app: Flask, directory: Person, q: str, expected: set[str]
) -> None:
    with acting(app, directory):
        assert found(q) == expected


def test_three_letters_match_anywhere_and_fewer_only_at_the_beginning_of_a_word(app: Flask, directory: Person) -> None:
    with acting(app, directory):
        assert found("nat") == {"renata"}
        assert found("na") == {"jose"}
        assert found("re") == {"renata"}
        assert found("x") == {"al"}
        assert found("李") == {"li"}


def test_every_word_must_match_in_any_order(app: Flask, directory: Person) -> None:
    with acting(app, directory):
        assert found("quill renata") == {"renata"}
        assert found("renata quill mail.org") == {"renata"}
        assert found("renata muller") == set()


def test_ac3_search_finds_nobody_deleted_or_of_another_tenant(
    app: Flask, ada: Person, bea: Person, gil: Person, root: Person
) -> None:
    with acting(app, ada):
        assert found("example") == {"ada"}
        assert found("bea") == set()
        assert {row.email for row in people(status="deleted").page().rows} == {gil.email}
    with acting(app, root):
        assert found("example") == {"root", "ada", "bea"}


def test_ac5_search_does_not_cover_passwords(app: Flask, ada: Person) -> None:
    with acting(app, ada):
        for q in ("$2b$", "$2b$04$", "2b"):
            assert found(q) == set()


def test_organizations_are_found_by_name_and_slug(app: Flask, root: Person, build: Builder) -> None:
    build.tenant("Blåbær Café", slug="berries")
    for q in ("blabaer", "cafe", "berries", "BERRIES cafe"):
        with acting(app, root):
            page = organizations.listing({"q": q}, "/organizations/").page()
            assert [row.slug for row in page.rows] == ["berries"], q


def test_names_are_sorted_case_insensitively(app: Flask, root: Person, build: Builder) -> None:
    for name in ("beta", "Alpha", "Gamma", "alpine"):
        build.tenant(name)

    with acting(app, root):
        page = organizations.listing({}, "/organizations/").page()
        assert db.session.scalars(select(Organization.name).order_by(Organization.sort_name)).all() == [
            row.name for row in page.rows
        ]
        assert [row.name for row in page.rows] == ["Alpha", "alpine", "beta", "Gamma"]
