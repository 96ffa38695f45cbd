"""Totals of people: kept by triggers whatever changes a row, and the same numbers as the lists."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from itertools import product
from random import Random
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from portal.core.clock import now
from portal.core.counts import Count
from portal.core.db import command, db
from portal.core.listing import Listing
from portal.users import queries
from portal.users.tabs import tabs as people_tabs
from tests.acting import acting
from tests.cast import Builder, Person, SignIn, Tenant
from tests.pages import HTMX, PageClient

# What each row counts as, read without the totals' own functions.
COUNTED = """
SELECT organization_id, coalesce(organization_id IN (SELECT id FROM organizations WHERE deleted_at IS NOT NULL), false),
    role::text, CASE WHEN deleted_at IS NOT NULL THEN 'deleted' WHEN NOT is_active
    THEN 'deactivated' WHEN invited_at IS NOT NULL AND accepted_at IS NULL THEN 'invited' ELSE 'active' END,
    has_two_factor, count(*)
FROM users GROUP BY 1, 2, 3, 4, 5
"""
TOTALS = """
SELECT organization_id, in_deleted_organization, role::text, status, has_two_factor, sum(people)::int
FROM user_totals GROUP BY 1, 2, 3, 4, 5 HAVING sum(people) <> 0
"""
NOT_DELETED = """
SELECT NULL, count(*)::int FROM users WHERE deleted_at IS NULL
UNION ALL
SELECT organization_id, count(*)::int FROM users WHERE deleted_at IS NULL AND role <> 'SUPER_ADMIN'
    AND organization_id IS NOT NULL GROUP BY 1
"""
NUMBERS_BY_DAY = "SELECT organization_id, sum(added - removed)::int FROM daily_totals GROUP BY 1"
WITHOUT_ADMINISTRATOR = """
SELECT id FROM organizations o WHERE NOT EXISTS (SELECT FROM users u WHERE u.organization_id = o.id
    AND u.role = 'ADMIN' AND is_active AND u.deleted_at IS NULL AND (invited_at IS NULL OR accepted_at IS NOT NULL))
"""
CHANGES = (
    "INSERT INTO users (email, role, organization_id, is_active, invited_at)"
    " SELECT gen_random_uuid() || '@example.com', (ARRAY['USER', 'ADMIN']::\"Role\"[])[1 + n % 2], {place},"
    " n % 3 > 0, CASE WHEN n % 5 = 0 THEN now() END FROM generate_series(1, {number}) n",
    "UPDATE users SET is_active = NOT is_active WHERE {some}",
    "UPDATE users SET role = CASE role WHEN 'USER' THEN 'ADMIN' ELSE 'USER' END::\"Role\" WHERE {some}",
    "UPDATE users SET organization_id = {place} WHERE {some}",
    "UPDATE users SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE {some}",
    "UPDATE users SET has_two_factor = NOT has_two_factor WHERE {some}",
    "UPDATE users SET accepted_at = now() WHERE {some}",
    "UPDATE users SET first_name = 'Ada', last_sign_in_at = now() WHERE {some}",
    "UPDATE users SET is_active = true WHERE false",
    "DELETE FROM users WHERE {some}",
    "UPDATE organizations SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE id = {place}",
    "UPDATE organizations SET name = 'Acme' WHERE id = {place}",
)


def counted() -> Counter[Any]:
    """What the totals must contain: each kind in its organization, and among everybody."""
    found: Counter[Any] = Counter()
    for organization_id, *kind, number in db.session.execute(text(COUNTED)):
        found[(None, *kind)] += number
        if organization_id:
            found[(organization_id, *kind)] += number
    return found


def totals() -> Counter[Any]:
    return Counter({(*kind,): number for *kind, number in db.session.execute(text(TOTALS))})


def unadministered() -> set[Any]:
    return set(db.session.scalars(text("SELECT organization_id FROM unadministered")))


def without_administrator() -> set[Any]:
    return set(db.session.scalars(text(WITHOUT_ADMINISTRATOR)))


def people_by_place(statement: str) -> dict[Any, int]:
    return {place: number for place, number in db.session.execute(text(statement)) if number}


@pytest.mark.parametrize("seed", range(4))
def test_totals_follow_every_statement(app: Flask, acme: Tenant, birch: Tenant, seed: int) -> None:
    random = Random(seed)  # noqa: S311 -- repeatable
    with acting(app):
        for _ in range(40):
            place = random.choice([f"'{acme.id}'", f"'{birch.id}'", "NULL"])
            some = f"left(md5(email || '{random.random()}'), 1) < '{random.choice('158')}'"
            change = random.choice(CHANGES).format(place=place, some=some, number=random.randint(0, 30))
            db.session.execute(text(change))
            assert totals() == counted(), change
        assert unadministered() == without_administrator()
        assert people_by_place(NUMBERS_BY_DAY) == people_by_place(NOT_DELETED)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_totals_follow_copy_and_the_end_of_an_organization(
    app: Flask, acme: Tenant, ada: Person, uma: Person, is_deleted: bool
) -> None:
    with acting(app):
        driver: Any = db.session.connection().connection.driver_connection
        with driver.cursor().copy("COPY users (email, organization_id) FROM STDIN") as copy:
            for number in range(100):
                copy.write_row((f"person{number}@example.com", acme.id))
        assert totals()[(acme.id, False, "USER", "active", False)] == 101
        if is_deleted:
            db.session.execute(text("UPDATE organizations SET deleted_at = now() WHERE id = :id"), {"id": acme.id})
            assert totals() == counted()
        db.session.execute(text("DELETE FROM organizations WHERE id = :id"), {"id": acme.id})
        assert totals() == counted()
        assert {key[0] for key in totals()} == {None}


def test_a_change_that_is_not_committed_is_counted_only_inside(app: Flask, acme: Tenant) -> None:
    with acting(app):
        before = totals()
        with db.session.begin_nested() as savepoint:
            db.session.execute(text("INSERT INTO users (email) VALUES ('someone@example.com')"))
            assert totals() != before
            savepoint.rollback()
        assert totals() == before


def test_changes_at_the_same_time_do_not_wait_for_each_other(fresh_app: Flask) -> None:
    """Nor do they lose numbers, and rows that one writer added are used by the next."""
    acme = Builder(fresh_app).tenant("Acme")
    added = text("INSERT INTO users (email, organization_id) VALUES (:email, :place)")
    everyone_wrote = threading.Barrier(3)

    def write(name: str) -> None:
        with acting(fresh_app):

            @command
            def both() -> None:
                db.session.execute(text("SET LOCAL lock_timeout = '10s'"))
                db.session.execute(added, {"email": f"{name}@example.com", "place": acme.id})
                everyone_wrote.wait(timeout=60)  # no transaction has ended yet

            both()

    for turn in range(3):
        threads = [threading.Thread(target=write, args=(f"person{turn}-{number}",)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    with acting(fresh_app):
        assert totals() == counted()
        assert totals()[(acme.id, False, "USER", "active", False)] == 9
        assert db.session.scalar(text("SELECT max(rows) FROM (SELECT count(*) AS rows FROM user_totals GROUP BY"
                                      " organization_id) one")) == 3  # fmt: skip


def test_people_written_without_triggers_are_noticed_and_counted_again(app: Flask, acme: Tenant) -> None:
    with acting(app):

        @command
        def load() -> None:
            db.session.execute(text("ALTER TABLE users DISABLE TRIGGER USER"))
            db.session.execute(
                text("INSERT INTO users (email, organization_id) VALUES ('someone@example.com', :place)"),
                {"place": acme.id},
            )
            db.session.execute(text("ALTER TABLE users ENABLE TRIGGER USER"))

        load()
        assert totals() != counted()
    noticed = "0 people are counted, 1 exist, or their kinds differ: run `flask users recount`."
    assert noticed in app.test_cli_runner().invoke(args=["doctor"]).output
    assert app.test_cli_runner().invoke(args=["users", "recount"]).output == "Counted everybody.\n"
    assert "as many people as there are" in app.test_cli_runner().invoke(args=["doctor"]).output
    with acting(app):
        assert totals() == counted()


def test_an_organization_is_deleted_after_changes_of_its_people_that_have_begun(fresh_app: Flask) -> None:
    acme = Builder(fresh_app).tenant("Acme")
    added = text("INSERT INTO users (email, organization_id) VALUES (:email, :place)")
    has_written, may_commit = threading.Event(), threading.Event()

    @command
    def add() -> None:
        db.session.execute(added, {"email": "first@example.com", "place": acme.id})
        has_written.set()
        may_commit.wait(60)

    @command
    def delete() -> None:
        threading.Timer(0.2, may_commit.set).start()
        db.session.execute(text("UPDATE organizations SET deleted_at = now() WHERE id = :id"), {"id": acme.id})

    def run(work: Callable[[], None]) -> None:
        with acting(fresh_app):
            work()

    adding = threading.Thread(target=run, args=(add,))
    adding.start()
    assert has_written.wait(60)
    run(delete)
    adding.join(60)

    with acting(fresh_app):
        db.session.execute(added, {"email": "second@example.com", "place": acme.id})
        assert totals() == counted()
        assert totals()[(None, True, "USER", "active", False)] == 2


# Lists


@pytest.fixture
def crowd(app: Flask, acme: Tenant, birch: Tenant, root: Person, ada: Person) -> Person:
    """People of every kind in two organizations, one of which is deleted, and outside them."""
    gone = Builder(app).tenant("Gone", deleted_at=now())
    kinds = product((acme.id, birch.id, gone.id), ("USER", "ADMIN", "SUPER_ADMIN"), (True, False), (True, False))
    rows = [
        {
            "email": f"p{number}@example.com", "place": place, "role": role, "factor": factor, "verified": verified,
            "active": number % 3 > 0, "invited": number % 4 == 0, "deleted": number % 5 == 0,
        }
        for number, (place, role, factor, verified) in enumerate([*kinds] * 3)
    ]  # fmt: skip
    with acting(app):
        db.session.execute(
            text(
                "INSERT INTO users (email, organization_id, role, has_two_factor, email_verified, is_active,"
                " invited_at, deleted_at)"
                ' SELECT :email, CAST(:place AS uuid), CAST(:role AS "Role"), :factor, :verified, :active,'
                " CASE WHEN :invited THEN now() END, CASE WHEN :deleted THEN now() END"
            ),
            rows,
        )
    return ada


@pytest.mark.parametrize("who", ["ADMIN", "SUPER_ADMIN"])
def test_a_list_counts_exactly_the_rows_it_has(
    app: Flask, crowd: Person, root: Person, birch: Tenant, who: str
) -> None:
    person = crowd if who == "ADMIN" else root
    with acting(app, person):
        tabs = list(people_tabs())
        for status, role, verified, factor, place in product(
            tabs, ("", "USER", "ADMIN", "SUPER_ADMIN"), ("", "yes", "no"), ("", "yes"),
            ("", str(crowd.organization_id), str(birch.id), "nonsense"),
        ):  # fmt: skip
            asked = {"status": status, "role": role, "verified": verified, "two_factor": factor, "organization": place}
            listing = queries.listing({**asked, "per_page": "25"}, "/users/")
            rows = [row for batch in queries.listing(asked, "/users/").batches(500) for row in batch]
            assert listing.page().total == Listing.totals(listing)[0] == Count(len(rows)), asked


def test_ac15_tenants_read_only_their_own_totals_and_change_none(app: Flask, crowd: Person, uma: Person) -> None:
    numbers = text("SELECT DISTINCT organization_id, role = 'SUPER_ADMIN' FROM user_totals")
    with acting(app, crowd):
        assert db.session.execute(numbers).all() == [(crowd.organization_id, False)]
        for change in ("UPDATE user_totals SET people = 0", "DELETE FROM user_totals", "SELECT portal_recount_users()"):
            with pytest.raises(Exception, match="permission denied"), db.session.begin_nested():
                db.session.execute(text(change))
    with acting(app, uma):
        assert Listing.totals(queries.listing({}, "/users/")) == [Count(0)]


@pytest.mark.parametrize(
    ("query", "tabs"),
    [
        ("", ["2", "1", "1", "1"]),
        ("?status=deactivated", ["2", "1", "1", "1"]),
        ("?role=ADMIN", ["1", "0", "0", "0"]),
        ("?role=ADMIN,USER&two_factor=no", ["2", "1", "1", "1"]),
        ("?invitation=pending", ["2", "1", "1", "1"]),
        ("?role=ADMIN&status=deleted", ["1", "0", "0", "0"]),  # an empty list
        ("?verified=no", ["2", "", "", ""]),  # only of the list itself: others aren't known without reading people
        ("?q=ada", ["1", "", "", ""]),
        ("?q=example&status=deactivated", ["", "", "1", ""]),
        ("?q=nobody&status=deleted&sort=name", ["", "", "", "0"]),
        ("?q=example&invitation=pending", []),  # the list is a part of its tab
    ],
)
def test_the_tabs_show_how_many_people_are_in_each(
    client: PageClient, sign_in: SignIn, build: Builder, acme: Tenant, ada: Person, uma: Person, gil: Person,
    bea: Person, query: str, tabs: list[str],
) -> None:  # fmt: skip
    build.person("off@example.com", tenant=acme, is_active=False)
    build.person("new@example.com", tenant=acme, invited_at=now())
    sign_in(ada)

    page, part = (client.get(f"/users/{query}", headers=headers).text for headers in ({}, HTMX))

    nav = page[page.index('aria-label="People by status"') :].partition("</nav>")[0]
    assert re.findall(r"<a [^>]*>[A-Z][a-z]+\s*(?:<span>([^<]+)</span>)?", nav) == (tabs or [""] * 4)
    for one in (page, part):
        assert re.findall(r' data-tabs="([^"]+)"', one) == ["|".join(tabs)] * bool(tabs)
