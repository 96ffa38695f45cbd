"""Administrators cannot find out who has an account elsewhere by trying addresses."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import Conflict
from portal.users import commands, queries
from portal.users.clashes import ADDRESS_TAKEN_ELSEWHERE, TOO_MANY_ELSEWHERE
from portal.users.commands import users
from portal.users.models import User
from tests.access.visitor import Visitor, without_tokens
from tests.acting import acting, portal_on, run_concurrently
from tests.cast import PASSWORD, Builder, Person, Tenant

ELSEWHERE, TOO_MANY = (sentence.split("'t ")[1] for sentence in (ADDRESS_TAKEN_ELSEWHERE, TOO_MANY_ELSEWHERE))


@pytest.fixture
def portal(fresh_database: str) -> Iterator[Flask]:
    """A portal that reveals four such addresses an hour, two of them at once, and Birch with many people."""
    with portal_on(fresh_database, foreign_addresses_per_hour=4) as app:
        yield app


@pytest.fixture
def build(portal: Flask) -> Builder:
    return Builder(portal)


@pytest.fixture(autouse=True)
def birch(build: Builder) -> Tenant:
    birch = build.tenant("Birch")
    for number in range(20):
        build.person(f"b{number}@example.com", tenant=birch)
    return birch


def result_of(answer: TestResponse) -> str:
    """The result for an address: taken elsewhere, too many attempts, or the status."""
    if TOO_MANY in answer.text:
        return "too many"
    return "elsewhere" if ELSEWHERE in answer.text else str(answer.status_code)


def post(visitor: Visitor, email: str, path: str = "/users/new", role: str = "") -> TestResponse:
    role = role or ("USER" if path.endswith("new") else "ADMIN")
    return visitor.post(path, {"email": email, "role": role, "is_active": "true", "version": "1"})


def attempt_email(visitor: Visitor, email: str, path: str = "/users/new") -> str:
    return result_of(post(visitor, email, path))


@command
def update_user(person: Person, **values: object) -> None:
    db.session.execute(update(User).where(User.id == person.id).values(**values))


def test_au4_after_a_few_addresses_in_use_elsewhere_every_address_gets_the_same_response(
    portal: Flask, ada: Person
) -> None:
    visitor = Visitor(portal, ada)

    answers = [attempt_email(visitor, email) for email in ("b0@example.com", "new@example.com", "b1@example.com")]
    later = [attempt_email(visitor, email) for email in ("b2@example.com", "free@example.com", "b0@example.com")]

    assert answers == ["elsewhere", "303", "elsewhere"]
    assert later == ["too many"] * 3
    with acting(portal):
        assert db.session.scalar(queries.by_email("free@example.com")) is None


def test_au4_edits_count_like_creations_and_other_edits_still_work(portal: Flask, ada: Person) -> None:
    visitor, path = Visitor(portal, ada), f"/users/{ada.id}/edit"
    kept = {"role": "ADMIN", "is_active": "true", "version": "1"}

    answers = [
        attempt_email(visitor, email, path) for email in ("b0@example.com", "b1@example.com", "free@example.com")
    ]
    renamed = visitor.post(path, {**kept, "email": ada.email, "first_name": "Augusta"})

    assert answers == ["elsewhere", "elsewhere", "too many"]
    assert renamed.status_code == 303


def test_au4_other_organizations_and_super_admins_are_not_rate_limited(
    portal: Flask, build: Builder, ada: Person
) -> None:
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    cyd = build.person("cyd@example.com", role=Role.ADMIN, tenant=build.tenant("Cedar"))
    visitor = Visitor(portal, ada)
    for email in ("b0@example.com", "b1@example.com", "b2@example.com"):
        attempt_email(visitor, email)

    assert attempt_email(Visitor(portal, cyd), "b0@example.com") == "elsewhere"
    chief = Visitor(portal, root)
    assert [attempt_email(chief, f"b{number}@example.com") for number in range(4)] == ["422"] * 4
    assert attempt_email(chief, "free@example.com") == "303"


def test_au4_beyond_the_limit_free_and_taken_addresses_look_the_same(
    portal: Flask, build: Builder, acme: Tenant, ada: Person
) -> None:
    build.person("gone@example.com", tenant=acme, deleted_at=now())
    visitor = Visitor(portal, ada)
    for email in ("b0@example.com", "b1@example.com"):
        attempt_email(visitor, email)

    for path in ("/users/new", f"/users/{ada.id}/edit"):
        emails = ("b2@example.com", "ff@example.com", "B3@EXAMPLE.COM", "gone@example.com")
        answers = [(without_tokens(post(visitor, email, path)), email) for email in emails]
        same = {(status, str(headers), text.replace(email.lower(), "")) for (status, headers, text), email in answers}
        assert len({text.split('name="row"')[0] for _, _, text in same}) == 1
        assert {status for status, _, _ in same} == {422}


def test_au4_creating_more_administrators_does_not_raise_the_limit(portal: Flask, ada: Person) -> None:
    visitor, admins = Visitor(portal, ada), [ada]
    for number in range(4):
        created = post(visitor, f"a{number}@example.com", role="ADMIN")
        row_id = uuid.UUID(created.headers["Location"].rsplit("/", 1)[1])
        with acting(portal):
            commands.set_password(row_id, PASSWORD)
        admins.append(Person(row_id, f"a{number}@example.com", "", Role.ADMIN, ada.organization_id))

    visitors = [Visitor(portal, one) for one in admins]
    answers = [attempt_email(visitors[number % 5], f"b{number}@example.com") for number in range(20)]

    assert answers == ["elsewhere"] * 2 + ["too many"] * 18


def test_au4_moving_an_administrator_or_changing_their_role_does_not_reset_the_limit(
    portal: Flask, build: Builder, ada: Person
) -> None:
    visitor = Visitor(portal, ada)
    assert [attempt_email(visitor, f"b{number}@example.com") for number in range(3)] == ["elsewhere"] * 2 + ["too many"]

    for changes in ({"role": Role.USER}, {"role": Role.ADMIN}, {"organization_id": build.tenant("Cedar").id}):
        with acting(portal):
            update_user(ada, **changes)

    assert attempt_email(Visitor(portal, ada), "b3@example.com") == "too many"


@pytest.mark.parametrize("admins", [1, 8])
def test_au4_concurrent_attempts_reveal_no_more_than_sequential_ones(
    portal: Flask, build: Builder, acme: Tenant, ada: Person, admins: int
) -> None:
    assert attempt_email(Visitor(portal, ada), "b0@example.com") == "elsewhere"
    further = [build.person(f"a{n}@example.com", role=Role.ADMIN, tenant=acme) for n in range(admins - 1)]

    def attempt_number(number: int) -> Callable[[], uuid.UUID]:
        values = {"email": f"b{number}@example.com", "role": Role.USER}
        return lambda: users.create(values, row_id=uuid.uuid4())

    outcomes = run_concurrently(portal, [attempt_number(number) for number in range(1, 17)], ada, *further)

    assert all(isinstance(one, Conflict) for one in outcomes), outcomes
    assert Counter(str(one) for one in outcomes) == {ADDRESS_TAKEN_ELSEWHERE: 1, TOO_MANY_ELSEWHERE: 15}


def test_au4_free_addresses_and_those_of_the_own_organization_are_not_counted(
    portal: Flask, build: Builder, acme: Tenant, ada: Person
) -> None:
    build.person("gone@example.com", tenant=acme, deleted_at=now())
    visitor = Visitor(portal, ada)

    own = [attempt_email(visitor, one) for one in ("ada@example.com", "gone@example.com") * 5]
    free = [attempt_email(visitor, f"free{number}@example.com") for number in range(8)]

    assert (own, free) == (["422"] * 10, ["303"] * 8)
    assert [attempt_email(visitor, f"b{number}@example.com") for number in range(3)] == ["elsewhere"] * 2 + ["too many"]


def _create(visitor: Visitor, _person: Person, number: int) -> str:
    return attempt_email(visitor, f"b{number}@example.com")


def _edit(visitor: Visitor, person: Person, number: int) -> str:
    return result_of(post(visitor, f"b{number}@example.com", f"/users/{person.id}/edit", role="USER"))


def _restore(visitor: Visitor, person: Person, _number: int) -> str:
    visitor.post(f"/users/{person.id}/restore")
    return result_of(visitor.get(f"/users/{person.id}"))


def _undo(visitor: Visitor, person: Person, _number: int) -> str:
    visitor.post(f"/activity/people/{person.id}/undo", {"version": "2"})
    return result_of(visitor.get(f"/users/{person.id}"))


ATTEMPTS = {
    "create": _create,
    "edit": _edit,
    "restore": _restore,
    "undo deleting": _undo,
    "undo another address": _undo,
}


def person_for(build: Builder, attempt: str, number: int, acme: Tenant, birch: Tenant) -> Person:
    """A person of Acme. Unless they keep their address, somebody of Birch has it now."""
    person = build.person(f"{attempt.replace(' ', '-')}{number}@example.com", tenant=acme)
    with acting(build.app):
        if attempt in ("restore", "undo deleting"):
            users.delete(person.id)
        elif attempt == "undo another address":
            update_user(person, email=f"other{number}@example.com")
        else:
            return person
    build.person(person.email, tenant=birch)
    return person


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_au4_every_kind_of_attempt_is_counted_together(
    portal: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, attempt: str
) -> None:
    people = [person_for(build, attempt, number, acme, birch) for number in range(3)]
    visitor = Visitor(portal, ada)

    answers = [ATTEMPTS[attempt](visitor, person, number) for number, person in enumerate(people)]
    others = [run(visitor, person_for(build, name, 5, acme, birch), 5) for name, run in ATTEMPTS.items()]

    assert answers == ["elsewhere", "elsewhere", "too many"]
    assert others == ["too many"] * len(ATTEMPTS)


@pytest.mark.parametrize("attempt", ["restore", "undo deleting"])
def test_au4_restoring_a_person_with_a_free_address_is_not_counted(
    portal: Flask, build: Builder, acme: Tenant, ada: Person, attempt: str
) -> None:
    visitor = Visitor(portal, ada)
    for number in range(6):
        person = build.person(f"free{number}@example.com", tenant=acme)
        with acting(portal):
            users.delete(person.id)
        assert ATTEMPTS[attempt](visitor, person, number) == "200"
        assert build.read(User, person.id).deleted_at is None


def test_au4_requesting_a_new_address_for_oneself_reveals_nothing(portal: Flask, uma: Person) -> None:
    visitor, answers = Visitor(portal, uma), []
    for email in ("b0@example.com", "free@example.com"):
        sent = {"email": email, "current_password": uma.password}
        answers.append(visitor.post("/account/email", sent))

    assert [(one.status_code, one.headers["Location"]) for one in answers] == [(303, "/account/email")] * 2
