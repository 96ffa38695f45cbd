"""Queries for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import Flask
from sqlalchemy import text, update

from portal.core.actor import SYSTEM, Actor, Role
from portal.core.batch import create_many
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.listing import Count
from portal.users import queries
from portal.users.models import User
from tests.acting import actor_of
from tests.cast import Builder, Person, Tenant


def emails(app: Flask, actor: Actor, arguments: Mapping[str, str]) -> list[str]:
    with app.app_context(), acting_as(actor):
        return sorted(row.email for row in queries.listing(arguments, "/users/").page().rows)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, ["ada@example.com", "uma@example.com"]),
        ({"role": "ADMIN"}, ["ada@example.com"]),
        ({"role": "NOBODY"}, ["ada@example.com", "uma@example.com"]),
        ({"verified": "no", "role": "USER"}, ["uma@example.com"]),
        ({"verified": "yes"}, []),
        ({"two_factor": "yes"}, []),
        ({"two_factor": "no", "role": "USER"}, ["uma@example.com"]),
        ({"two_factor": "maybe"}, ["ada@example.com", "uma@example.com"]),
        ({"created_from": "2999-01-01"}, []),
        ({"created_from": "yesterday"}, ["ada@example.com", "uma@example.com"]),
        ({"organization": "nonsense"}, []),
        ({"created_until": "2000-01-01"}, []),
        ({"created_from": "2000-01-01", "created_until": "9999-12-31"}, ["ada@example.com", "uma@example.com"]),
        ({"changed_from": "2999-01-01"}, []),
        ({"changed_until": "9999-12-30", "sort": "-updated_at"}, ["ada@example.com", "uma@example.com"]),
        ({"last_sign_in_from": "2000-01-01"}, ["ada@example.com"]),
        ({"last_sign_in_from": "2000-01-01", "q": "um"}, []),
        ({"role": "ADMIN,USER"}, ["ada@example.com", "uma@example.com"]),
        ({"role": "ADMIN,NOBODY"}, ["ada@example.com"]),
        ({"invitation": "never"}, []),
        ({"last_sign_in": "never"}, ["uma@example.com"]),
        ({"last_sign_in": "often"}, ["ada@example.com", "uma@example.com"]),
        ({"last_sign_in_before": "2020-02-03"}, []),
        ({"last_sign_in_before": "9999-12-31"}, ["ada@example.com"]),
        ({"last_sign_in_before": "0001-01-01"}, []),
        ({"last_sign_in_before": "tomorrow"}, ["ada@example.com", "uma@example.com"]),
        ({"last_sign_in": "never", "q": "um"}, ["uma@example.com"]),
        ({"last_sign_in_before": "9999-12-31", "q": "ad"}, ["ada@example.com"]),
        ({"last_sign_in_before": "2020-02-03", "q": "ad"}, []),
        ({"q": "um"}, ["uma@example.com"]),
        ({"q": "ma"}, []),
        ({"status": "deleted"}, ["gil@example.com"]),
        ({"status": "deactivated"}, ["off@example.com"]),
        ({"status": "organization-deleted"}, ["ada@example.com", "uma@example.com"]),
    ],
)
def test_a_list_is_filtered_by_its_url(
    app: Flask,
    build: Builder,
    acme: Tenant,
    ada: Person,
    uma: Person,
    bea: Person,
    gil: Person,
    arguments: dict[str, str],
    found: list[str],
) -> None:
    build.person("off@example.com", tenant=acme, is_active=False)
    with app.app_context(), acting_as(SYSTEM):
        db.session.execute(update(User).where(User.id == ada.id).values(last_sign_in_at=now()))
        db.session.commit()

    listed = emails(app, actor_of(ada), arguments)

    assert listed == found


def test_a_super_admin_can_list_people_of_deleted_organizations(app: Flask, build: Builder, root: Person) -> None:
    closed = build.tenant("Closed", deleted_at=now())
    lost = build.person("lost@example.com", tenant=closed)

    assert emails(app, actor_of(root), {"status": "organization-deleted"}) == [lost.email]


def test_a_person_is_found_by_email_in_any_case_and_only_if_active(app: Flask, uma: Person, gil: Person) -> None:
    with app.app_context(), acting_as(SYSTEM):
        found = db.session.scalar(queries.by_email("UMA@Example.com"))
        gone = db.session.scalar(queries.by_email(gil.email))
        again = db.session.scalar(queries.deleted_by_email(gil.email), execution_options={"with_deleted": True})

    assert found is not None
    assert (found.id, gone) == (uma.id, None)
    assert again is not None
    assert again.id == gil.id


DELETED_PEOPLE = (
    "INSERT INTO users (email, deleted_at) SELECT n || '@example.com', now() FROM generate_series(1, 2000) n"
)


def test_looking_up_a_deleted_persons_email_uses_an_index(app: Flask) -> None:
    with app.app_context(), acting_as(SYSTEM):
        db.session.execute(text(DELETED_PEOPLE))
        db.session.execute(text("ANALYZE users"))
        query = queries.deleted_by_email("Gil@Example.com").with_only_columns(User.id)
        plan = db.session.scalar(query, execution_options={"with_deleted": True, "explain": True})

    assert "users_deleted_email_idx" in str(plan)


def test_active_super_admins_exclude_those_who_cannot_sign_in(app: Flask, build: Builder, root: Person) -> None:
    closed = build.tenant("Closed", deleted_at=now())
    build.person("locked@example.com", role=Role.SUPER_ADMIN, tenant=closed)
    build.person("off@example.com", role=Role.SUPER_ADMIN, is_active=False)
    build.person("gone@example.com", role=Role.SUPER_ADMIN, deleted_at=now())

    with app.app_context(), acting_as(SYSTEM):
        assert db.session.scalars(queries.active_super_admins()).all() == [root.id]


def test_names_of_deleted_people_are_found_but_not_those_of_other_tenants(
    app: Flask, ada: Person, gil: Person, bea: Person
) -> None:
    with app.app_context(), acting_as(actor_of(ada)):
        assert queries.names_of([ada.id, gil.id, bea.id]) == {ada.id: ada.name, gil.id: gil.name}


@pytest.mark.parametrize("q", ["", "old"])
@pytest.mark.parametrize(("day", "is_found"), [("2020-02-03", False), ("2020-02-04", True)])
def test_a_filter_before_a_day_excludes_that_day(
    app: Flask, build: Builder, ada: Person, acme: Tenant, q: str, day: str, *, is_found: bool
) -> None:
    begun, seen = (datetime(2020, month, 3, tzinfo=UTC) for month in (1, 2))
    old = build.person("old@example.com", tenant=acme, created_at=begun, last_sign_in_at=seen)

    assert emails(app, actor_of(ada), {"q": q, "last_sign_in_before": day}) == ([old.email] if is_found else [])


@pytest.fixture
def crowd(app: Flask, build: Builder, acme: Tenant, birch: Tenant) -> None:
    """Sixty people of two tenants with similar names, in every state that can be filtered by."""
    dice = Random(3)  # noqa: S311 -- reproducible
    rows = [
        {
            "email": f"{dice.choice(('anna', 'annabel', 'hanna'))}{number}@example.com",
            "first_name": dice.choice(("Anna", "Änne", None)),
            "last_name": dice.choice(("Martin", "Berg", "Berg", None)),
            "role": dice.choice((Role.USER, Role.USER, Role.ADMIN, Role.SUPER_ADMIN)),
            "is_active": dice.random() < 0.7,
            "email_verified": dice.random() < 0.5,
            "created_at": now() - timedelta(days=9),
            "last_sign_in_at": dice.choice((None, now() - timedelta(days=dice.randrange(8)))),
            "deleted_at": now() if dice.random() < 0.3 else None,
            "organization_id": dice.choice((acme, acme, birch)).id,
            "has_two_factor": dice.random() < 0.5,
            "invited_at": dice.choice((None, None, now() - timedelta(days=dice.randrange(8)))),
        }
        for number in range(60)
    ]
    with app.app_context(), acting_as(SYSTEM):
        command(create_many)(User, rows)


@pytest.mark.parametrize(
    ("status", "sort"),
    [
        *product(
            ("active", "deactivated"),
            ("name", "-name", "created_at", "-created_at", "updated_at", "last_sign_in_at", "-last_sign_in_at"),
        ),
        *product(("invited",), ("name", "-created_at", "updated_at", "invited_at", "-invited_at")),
        *product(("deleted",), ("name", "deleted_at", "-deleted_at")),
    ],
)
@pytest.mark.parametrize("person", ["ada", "root"])
def test_search_through_the_function_finds_the_same_people_as_the_plain_query(
    app: Flask,
    request: pytest.FixtureRequest,
    crowd: None,
    acme: Tenant,
    birch: Tenant,
    person: str,
    status: str,
    sort: str,
) -> None:
    searches = [
        {"q": q, "status": status, "sort": sort, **narrower}
        for q in ("ann", "an", "anna berg", "%", "nobody")
        for narrower in (
            {}, {"role": "ADMIN"}, {"role": "SUPER_ADMIN"}, {"verified": "yes", "role": "USER"},
            {"two_factor": "yes"}, {"two_factor": "no", "role": "ADMIN"},
            {"created_from": "2000-01-01"}, {"created_from": "2999-01-01"},
            {"last_sign_in": "never"}, {"last_sign_in_before": f"{now() - timedelta(days=4):%Y-%m-%d}"},
            {"organization": str(acme.id)}, {"organization": str(birch.id)}, {"page": "last"},
            {"role": "ADMIN,SUPER_ADMIN", "organization": f"{acme.id},{birch.id}"},
            {"created_until": "2999-01-01"}, {"created_until": "2000-01-01"}, {"changed_until": "2000-01-01"},
            {"changed_from": "2000-01-01", "last_sign_in_from": f"{now() - timedelta(days=4):%Y-%m-%d}"},
        )
    ]  # fmt: skip

    with app.app_context(), acting_as(actor_of(request.getfixturevalue(person))):
        for arguments in searches[:: 1 if person == "ada" else 7]:
            assert walked(arguments, by_function=True) == walked(arguments, by_function=False), arguments


def walked(arguments: dict[str, str], *, by_function: bool) -> list[tuple[list[str], Count]]:
    """All pages from there to the end of the list, or from the last one back to the beginning, seven rows each."""
    pages = []
    backward = arguments.get("page") == "last"
    while True:
        listing = queries.listing(arguments, "/users/")
        listing.per_page = 7
        if not by_function:
            listing.source = replace(listing.source, find=None)
        page = listing.page()
        pages.append(([row.email for row in page.rows], page.total))
        there = page.links["previous" if backward else "next"]
        if there is None:
            return pages
        arguments = dict(parse_qsl(urlsplit(there).query))


@pytest.mark.parametrize("who", ["ada", "root"])
def test_people_who_never_signed_in_come_first_in_the_order_of_last_sign_in(
    app: Flask, crowd: None, ada: Person, root: Person, who: str
) -> None:
    person = {"ada": ada, "root": root}[who]
    with app.app_context(), acting_as(actor_of(person)):
        up, down = (walked({"sort": sort}, by_function=True) for sort in ("last_sign_in_at", "-last_sign_in_at"))
        upward = [email for emails, _ in up for email in emails]
        shown = {row.email: row.last_sign_in_at for row in queries.listing({"per_page": "100"}, "/users/").page().rows}

    assert upward == [email for emails, _ in down for email in emails][::-1]
    assert set(upward) == set(shown)
    seen = [shown[email] for email in upward]
    never = seen.count(None)
    assert 0 < never < len(seen)
    assert seen[:never] == [None] * never
    assert seen[never:] == sorted(seen[never:])
