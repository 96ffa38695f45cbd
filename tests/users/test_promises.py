"""Can an administrator learn who is there elsewhere by asking for one address after the other?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from portal.core.actor import Role
from portal.core.db import db
from portal.users import queries
from portal.users.clashes import ADDRESS_TAKEN_ELSEWHERE, TOO_MANY_ELSEWHERE
from tests.access.visitor import Visitor
from tests.acting import acting, portal_on
from tests.cast import Builder, Person

ELSEWHERE, TOO_MANY = (sentence.split("'t ")[1] for sentence in (ADDRESS_TAKEN_ELSEWHERE, TOO_MANY_ELSEWHERE))


@pytest.fixture
def portal(fresh_database: str) -> Iterator[Flask]:
    """A portal where four such addresses an hour are answered, two of them at once; Birch has four people."""
    with portal_on(fresh_database, foreign_addresses_per_hour=4) as app:
        build = Builder(app)
        birch = build.tenant("Birch")
        for number in range(4):
            build.person(f"b{number}@example.com", tenant=birch)
        yield app


@pytest.fixture
def ada(portal: Flask) -> Person:
    build = Builder(portal)
    return build.person("ada@example.com", role=Role.ADMIN, tenant=build.tenant("Acme"))


def asked(visitor: Visitor, email: str, path: str = "/users/new") -> str:
    """What the form says to an address: refused, too many, or the status."""
    role = "USER" if path.endswith("new") else "ADMIN"
    sent = {"email": email, "role": role, "is_active": "true", "version": "1"}
    answer = visitor.post(path, sent)
    if TOO_MANY in answer.text:
        return "too many"
    return "elsewhere" if ELSEWHERE in answer.text else str(answer.status_code)


def test_au4_after_a_few_addresses_that_are_in_use_elsewhere_every_address_gets_one_answer(
    portal: Flask, ada: Person
) -> None:
    visitor = Visitor(portal, ada)

    answers = [asked(visitor, email) for email in ("b0@example.com", "new@example.com", "b1@example.com")]
    later = [asked(visitor, email) for email in ("b2@example.com", "free@example.com", "b0@example.com")]

    assert answers == ["elsewhere", "303", "elsewhere"]
    assert later == ["too many"] * 3
    with acting(portal):
        assert db.session.scalar(queries.by_email("free@example.com")) is None


def test_au4_editing_is_counted_with_creating_and_other_edits_go_on(portal: Flask, ada: Person) -> None:
    visitor, path = Visitor(portal, ada), f"/users/{ada.id}/edit"
    kept = {"role": "ADMIN", "is_active": "true", "version": "1"}

    answers = [asked(visitor, email, path) for email in ("b0@example.com", "b1@example.com", "free@example.com")]
    renamed = visitor.post(path, {**kept, "email": ada.email, "first_name": "Augusta"})

    assert answers == ["elsewhere", "elsewhere", "too many"]
    assert renamed.status_code == 303


def test_au4_another_administrator_and_whoever_sees_everybody_are_not_held_back(portal: Flask, ada: Person) -> None:
    root = Builder(portal).person("root@example.com", role=Role.SUPER_ADMIN)
    visitor = Visitor(portal, ada)
    for email in ("b0@example.com", "b1@example.com", "b2@example.com"):
        asked(visitor, email)

    chief = Visitor(portal, root)
    assert [asked(chief, f"b{number}@example.com") for number in range(4)] == ["422"] * 4
    assert asked(chief, "free@example.com") == "303"
