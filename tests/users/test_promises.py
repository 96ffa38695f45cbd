"""Can an administrator learn who is there elsewhere by asking for one address after the other?"""

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
from tests.acting import acting, at_once, portal_on
from tests.cast import PASSWORD, Builder, Person, Tenant

ELSEWHERE, TOO_MANY = (sentence.split("'t ")[1] for sentence in (ADDRESS_TAKEN_ELSEWHERE, TOO_MANY_ELSEWHERE))


@pytest.fixture
def portal(fresh_database: str) -> Iterator[Flask]:
    """A portal where four such addresses an hour are answered, two of them at once; Birch has many people."""
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


def said(answer: TestResponse) -> str:
    """What an answer says to an address: refused, too many, or the status."""
    if TOO_MANY in answer.text:
        return "too many"
    return "elsewhere" if ELSEWHERE in answer.text else str(answer.status_code)


def post(visitor: Visitor, email: str, path: str = "/users/new", role: str = "") -> TestResponse:
    role = role or ("USER" if path.endswith("new") else "ADMIN")
    return visitor.post(path, {"email": email, "role": role, "is_active": "true", "version": "1"})


def asked(visitor: Visitor, email: str, path: str = "/users/new") -> str:
    return said(post(visitor, email, path))


@command
def changed(person: Person, **values: object) -> None:
    db.session.execute(update(User).where(User.id == person.id).values(**values))


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


def test_au4_another_organization_and_whoever_sees_everybody_are_not_rate_limited(
    portal: Flask, build: Builder, ada: Person
) -> None:
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    cyd = build.person("cyd@example.com", role=Role.ADMIN, tenant=build.tenant("Cedar"))
    visitor = Visitor(portal, ada)
    for email in ("b0@example.com", "b1@example.com", "b2@example.com"):
        asked(visitor, email)

    assert asked(Visitor(portal, cyd), "b0@example.com") == "elsewhere"
    chief = Visitor(portal, root)
    assert [asked(chief, f"b{number}@example.com") for number in range(4)] == ["422"] * 4
    assert asked(chief, "free@example.com") == "303"


def test_au4_once_too_many_were_asked_for_nothing_tells_free_addresses_from_others(
    portal: Flask, build: Builder, acme: Tenant, ada: Person
) -> None:
    build.person("gone@example.com", tenant=acme, deleted_at=now())
    visitor = Visitor(portal, ada)
    for email in ("b0@example.com", "b1@example.com"):
        asked(visitor, email)

    for path in ("/users/new", f"/users/{ada.id}/edit"):
        emails = ("b2@example.com", "ff@example.com", "B3@EXAMPLE.COM", "gone@example.com")
        answers = [(without_tokens(post(visitor, email, path)), email) for email in emails]
        same = {(status, str(headers), text.replace(email.lower(), "")) for (status, headers, text), email in answers}
        assert len({text.split('name="row"')[0] for _, _, text in same}) == 1
        assert {status for status, _, _ in same} == {422}


def test_au4_an_administrator_gets_no_further_answers_by_making_further_administrators(
    portal: Flask, ada: Person
) -> None:
    visitor, admins = Visitor(portal, ada), [ada]
    for number in range(4):
        created = post(visitor, f"a{number}@example.com", role="ADMIN")
        row_id = uuid.UUID(created.headers["Location"].rsplit("/", 1)[1])
        with acting(portal):
            commands.set_password(row_id, PASSWORD)
        admins.append(Person(row_id, f"a{number}@example.com", "", Role.ADMIN, ada.organization_id))

    visitors = [Visitor(portal, one) for one in admins]
    answers = [asked(visitors[number % 5], f"b{number}@example.com") for number in range(20)]

    assert answers == ["elsewhere"] * 2 + ["too many"] * 18


def test_au4_an_administrator_who_is_moved_or_given_another_role_gains_nothing(
    portal: Flask, build: Builder, ada: Person
) -> None:
    visitor = Visitor(portal, ada)
    assert [asked(visitor, f"b{number}@example.com") for number in range(3)] == ["elsewhere"] * 2 + ["too many"]

    for changes in ({"role": Role.USER}, {"role": Role.ADMIN}, {"organization_id": build.tenant("Cedar").id}):
        with acting(portal):
            changed(ada, **changes)

    assert asked(Visitor(portal, ada), "b3@example.com") == "too many"


@pytest.mark.parametrize("admins", [1, 8])
def test_au4_many_questions_at_once_get_no_more_answers_than_one_after_the_other(
    portal: Flask, build: Builder, acme: Tenant, ada: Person, admins: int
) -> None:
    assert asked(Visitor(portal, ada), "b0@example.com") == "elsewhere"
    further = [build.person(f"a{n}@example.com", role=Role.ADMIN, tenant=acme) for n in range(admins - 1)]

    def ask(number: int) -> Callable[[], uuid.UUID]:
        values = {"email": f"b{number}@example.com", "role": Role.USER}
        return lambda: users.create(values, row_id=uuid.uuid4())

    outcomes = at_once(portal, [ask(number) for number in range(1, 17)], ada, *further)

    assert all(isinstance(one, Conflict) for one in outcomes), outcomes
    assert Counter(str(one) for one in outcomes) == {ADDRESS_TAKEN_ELSEWHERE: 1, TOO_MANY_ELSEWHERE: 15}


def test_au4_free_addresses_and_those_of_the_own_organization_are_not_counted(
    portal: Flask, build: Builder, acme: Tenant, ada: Person
) -> None:
    build.person("gone@example.com", tenant=acme, deleted_at=now())
    visitor = Visitor(portal, ada)

    own = [asked(visitor, one) for one in ("ada@example.com", "gone@example.com") * 5]
    free = [asked(visitor, f"free{number}@example.com") for number in range(8)]

    assert (own, free) == (["422"] * 10, ["303"] * 8)
    assert [asked(visitor, f"b{number}@example.com") for number in range(3)] == ["elsewhere"] * 2 + ["too many"]


def _create(visitor: Visitor, _person: Person, number: int) -> str:
    return asked(visitor, f"b{number}@example.com")


def _edit(visitor: Visitor, person: Person, number: int) -> str:
    return said(post(visitor, f"b{number}@example.com", f"/users/{person.id}/edit", role="USER"))


def _restore(visitor: Visitor, person: Person, _number: int) -> str:
    visitor.post(f"/users/{person.id}/restore")
    return said(visitor.get(f"/users/{person.id}"))


def _undo(visitor: Visitor, person: Person, _number: int) -> str:
    visitor.post(f"/activity/people/{person.id}/undo", {"version": "2"})
    return said(visitor.get(f"/users/{person.id}"))


WAYS = {"create": _create, "edit": _edit, "restore": _restore, "undo deleting": _undo, "undo another address": _undo}


def about(build: Builder, way: str, number: int, acme: Tenant, birch: Tenant) -> Person:
    """Somebody of Acme; whoever has no longer the address that they had: somebody of Birch has it by now."""
    person = build.person(f"{way.replace(' ', '-')}{number}@example.com", tenant=acme)
    with acting(build.app):
        if way in ("restore", "undo deleting"):
            users.delete(person.id)
        elif way == "undo another address":
            changed(person, email=f"other{number}@example.com")
        else:
            return person
    build.person(person.email, tenant=birch)
    return person


@pytest.mark.parametrize("way", WAYS)
def test_au4_every_way_to_ask_is_counted_and_refused_with_all_others(
    portal: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, way: str
) -> None:
    people = [about(build, way, number, acme, birch) for number in range(3)]
    visitor = Visitor(portal, ada)

    answers = [WAYS[way](visitor, person, number) for number, person in enumerate(people)]
    others = [ask(visitor, about(build, name, 5, acme, birch), 5) for name, ask in WAYS.items()]

    assert answers == ["elsewhere", "elsewhere", "too many"]
    assert others == ["too many"] * len(WAYS)


@pytest.mark.parametrize("way", ["restore", "undo deleting"])
def test_au4_coming_back_to_a_free_address_is_not_counted(
    portal: Flask, build: Builder, acme: Tenant, ada: Person, way: str
) -> None:
    visitor = Visitor(portal, ada)
    for number in range(6):
        person = build.person(f"free{number}@example.com", tenant=acme)
        with acting(portal):
            users.delete(person.id)
        assert WAYS[way](visitor, person, number) == "200"
        assert build.read(User, person.id).deleted_at is None


def test_au4_asking_for_an_own_new_address_tells_nothing(portal: Flask, uma: Person) -> None:
    visitor, answers = Visitor(portal, uma), []
    for email in ("b0@example.com", "free@example.com"):
        sent = {"email": email, "current_password": uma.password}
        answers.append(visitor.post("/account/email", sent))

    assert [(one.status_code, one.headers["Location"]) for one in answers] == [(303, "/account/email")] * 2
