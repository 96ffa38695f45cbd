"""A search that finds nothing offers another spelling, and organizations and teams with people."""

from __future__ import annotations

import re
import uuid
from functools import partial

from flask import Flask
from sqlalchemy import delete, select, text, update

from portal.core import spelling
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.spelling import SearchWord
from portal.teams.commands import teams
from portal.teams.models import TeamMember
from portal.users.models import User
from tests.access.visitor import Visitor
from tests.acting import acting, run_concurrently
from tests.cast import Builder, Person, Tenant

MEANT = re.compile(r"Did you mean (?:<a[^>]*><strong>|“)(.*?)(?:</strong>|”)")


def words(app: Flask, table: str = "users") -> list[str]:
    with acting(app):
        return list(db.session.scalars(select(SearchWord.word).where(SearchWord.table_name == table).distinct()))


def test_a_misspelled_name_gets_the_right_one_as_it_is_written(
    app: Flask, build: Builder, acme: Tenant, ada: Person
) -> None:
    build.person("z@example.com", tenant=acme, first_name="Filipa", last_name="Zubrowski")
    build.person("m@example.com", tenant=acme, first_name="Jürgen", last_name="Müller")
    admin = Visitor(app, ada)

    for typed, meant in (
        ("zubrovski", "Zubrowski"),
        ("fillipa zubrovsky", "Filipa Zubrowski"), ("mueler", "Müller"), ("jurgn", "Jürgen"),
    ):  # fmt: skip
        for path in ("/users/?q=", "/search?q=", "/search/dialog?q="):
            found = MEANT.findall(admin.get(f"{path}{typed}", htmx=True).text)
            assert found == [meant], (path, typed)
    assert "/users/?q=zubrowski" in admin.get("/users/?q=zubrovski").text
    for typed in ("zubrowski", "xqzvwx", "123", "%", "'; --", "a"):
        assert MEANT.findall(admin.get("/users/", query_string={"q": typed}).text) == [], typed


def test_other_lists_offer_a_spelling_too_and_only_one_that_finds_something_there(
    app: Flask, build: Builder, root: Person, acme: Tenant
) -> None:
    build.tenant("Harbor Freight")
    build.person("z@example.com", tenant=acme, last_name="Zubrowski", is_active=False)
    visitor = Visitor(app, root)

    assert MEANT.findall(visitor.get("/organizations/?q=habror").text) == ["Harbor"]
    assert MEANT.findall(visitor.get("/organizations/?q=habror&status=deleted").text) == []
    assert MEANT.findall(visitor.get("/users/?q=zubrovski").text) == []
    shown = visitor.get("/users/?q=zubrovski&status=deactivated").text
    assert MEANT.findall(shown) == ["Zubrowski"]
    assert "status=deactivated&amp;q=zubrowski" in shown or "q=zubrowski&amp;status=deactivated" in shown


def test_words_of_other_tenants_and_hidden_people_are_never_suggested_nor_change_what_is(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, bea: Person, uma: Person
) -> None:
    build.person("s@example.com", tenant=acme, last_name="Zubrowka", role=Role.SUPER_ADMIN)
    build.person("own@example.com", tenant=acme, last_name="Zubrovskaja")
    admin = Visitor(app, ada)
    before = admin.get("/users/?q=zubrovski").text
    for number in range(25):
        build.person(f"b{number}@example.com", tenant=birch, last_name=f"Zubrovsk{chr(97 + number)}")

    assert MEANT.findall(admin.get("/users/?q=zubrovski").text) == MEANT.findall(before) == ["Zubrovskaja"]
    assert MEANT.findall(admin.get("/search?q=zubrowk").text) == []
    assert MEANT.findall(Visitor(app, uma).get("/search?q=zubrovski").text) == []
    with acting(app, uma):
        assert db.session.scalars(text("SELECT portal_similar_words('users', 'zubrovski')")).all() == []


def test_the_list_of_people_offers_an_organization_or_team_with_this_name(
    app: Flask, build: Builder, acme: Tenant, birch: Tenant, ada: Person, uma: Person, root: Person, bea: Person
) -> None:
    with acting(app):
        key = teams.create({"name": "Drivers", "organization_id": acme.id}, row_id=uuid.uuid4())
        command(db.session.add)(TeamMember(team_id=key, user_id=uma.id, organization_id=acme.id))
        db.session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))  # as a commit does
        db.session.commit()
    admin, other, everything = Visitor(app, ada), Visitor(app, bea), Visitor(app, root)

    assert f'<a href="/users/?team={key}">1 person</a>' in admin.get("/users/?q=drivers").text
    assert f'Team <a href="/teams/{key}">Drivers (Acme)</a>' in everything.get("/users/?q=drivers").text
    assert f'Team <a href="/teams/{key}">Drivers</a>' in admin.get("/users/?q=drivers").text
    assert f'Organization <a href="/organizations/{birch.id}">Birch</a>' in everything.get("/users/?q=birch").text
    for text_ in ("birch", "drivers"):
        assert 'class="offer"' not in (admin if text_ == "birch" else other).get(f"/users/?q={text_}").text
    assert 'class="offer"' not in admin.get("/users/?q=uma").text
    assert '<a href="/search?q=uma%20ex">Search everything</a>' in admin.get("/users/?q=uma+ex").text
    assert "Search everything" not in admin.get("/users/").text


def test_words_follow_every_way_of_writing(app: Flask, build: Builder, acme: Tenant, birch: Tenant) -> None:
    person = build.person("w@example.com", tenant=acme, first_name="Wombat", last_name="Numbat")
    other = build.person("o@example.com", tenant=acme, first_name="Other", last_name="Numbat")
    assert {"wombat", "numbat", "example", "com"} <= set(words(app))

    with acting(app):
        command(db.session.execute)(update(User).where(User.id == person.id).values(first_name="Quokka"))
    assert "wombat" not in words(app)
    assert "quokka" in words(app)

    with acting(app):
        command(db.session.execute)(update(User).where(User.id == person.id).values(organization_id=birch.id))
        held = select(SearchWord.organization_id).where(SearchWord.word == "quokka", SearchWord.row_id == person.id)
        assert set(db.session.scalars(held)) == {birch.id, uuid.UUID(int=0)}
        command(db.session.execute)(delete(User).where(User.id == person.id))
    assert "quokka" not in words(app)

    with acting(app):
        assert spelling.refresh(now()) == 0
    assert "numbat" in words(app)
    assert build.read(User, other.id)


def test_two_people_with_a_new_word_can_be_added_at_once_and_the_worker_keeps_one(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    tasks = [partial(build.person, f"{number}@example.com", tenant=acme, last_name="Quokka") for number in range(4)]
    assert [one for one in run_concurrently(fresh_app, tasks) if not isinstance(one, Person)] == []

    with acting(fresh_app):
        spelling.refresh(now())
        spelling.refresh(now())
        rows = db.session.scalars(select(SearchWord.id).where(SearchWord.word == "quokka")).all()
    assert len(rows) == 2  # for Acme, and for everybody
