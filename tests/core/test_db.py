"""A command is one transaction, which is retried if that helps and raises a clear error if not."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from psycopg import errors as pg
from sqlalchemy import Connection, event, func, literal, select, update
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from portal.core.actor import Actor, Role, bind, unbind
from portal.core.db import ATTEMPTS, command, continued, copy_rows, db, locked, without_time_limit
from portal.core.errors import Busy, Conflict, Missing
from portal.core.keys import uuid7
from portal.core.statements import watched
from portal.organizations.models import Organization
from portal.users.models import User
from tests.acting import acting, run_concurrently
from tests.cast import Builder, Person, Tenant
from tests.database import app_for, disconnect


@command
def add(slug: str) -> None:
    db.session.add(Organization(name=slug, slug=slug))


def slugs() -> set[str]:
    return set(db.session.scalars(select(Organization.slug)))


def test_a_command_commits(fresh_app: Flask) -> None:
    with acting(fresh_app):
        add("one")

    with acting(fresh_app):
        assert slugs() == {"one"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failed_command_leaves_nothing(fresh_app: Flask, error: type[BaseException]) -> None:
    @command
    def fail() -> None:
        add("one")
        raise error

    with acting(fresh_app):
        with pytest.raises(error):
            fail()

        assert slugs() == set()


def test_a_nested_command_joins_the_outer_one(fresh_app: Flask) -> None:
    @command
    def outer() -> None:
        add("one")
        add("two")
        raise ValueError

    @command
    def both() -> None:
        add("three")
        add("four")

    with acting(fresh_app):
        with pytest.raises(ValueError):
            outer()
        both()

        assert slugs() == {"three", "four"}


def test_a_command_discards_unsaved_changes_made_before_it(fresh_app: Flask) -> None:
    with acting(fresh_app):
        db.session.add(Organization(name="stray", slug="stray"))
        add("one")

        assert slugs() == {"one"}


@continued
def rename(tenant: Tenant, name: str) -> None:
    locked(select(Organization).where(Organization.id == tenant.id)).name = name


def test_a_continued_command_needs_no_second_transaction(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)

    with acting(fresh_app, root), watched() as seen:
        begun: list[Connection] = []
        event.listen(db.engine, "begin", begun.append)
        assert slugs() == {"acme"}
        rename(acme, "Acme Logistics")

    assert [one.text.split()[0] for one in seen] == ["SELECT", "SELECT", "UPDATE"]
    assert len(begun) == 1
    assert build.read(Organization, acme.id).name == "Acme Logistics"


@pytest.mark.parametrize("flushed", [False, True])
def test_a_continued_command_discards_what_was_written_before_it(fresh_app: Flask, flushed: bool) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)

    with acting(fresh_app, root):
        db.session.add(Organization(name="stray", slug="stray"))
        if flushed:
            db.session.flush()
        rename(acme, "Acme Logistics")
    with acting(fresh_app, root):
        db.session.execute(update(Organization).values(slug="stray"))
        rename(acme, "Acme Freight")

    with acting(fresh_app, root):
        assert slugs() == {"acme"}
    assert build.read(Organization, acme.id).name == "Acme Freight"


def test_a_continued_command_sees_what_others_saved_since_the_page_was_read(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    acme = build.tenant("Acme")
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    found: list[str] = []

    @continued
    def read() -> None:
        found.extend(db.session.scalars(select(Organization.name)))
        found.extend(one.name for one in db.session.scalars(select(Organization)))

    with acting(fresh_app, root):
        assert db.session.scalars(select(Organization)).one().name == "Acme"
        with acting(fresh_app):
            rename(acme, "Acme Logistics")
        read()

    assert found == ["Acme Logistics", "Acme Logistics"]


def test_a_continued_command_never_acts_as_whoever_began_the_transaction(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    acme, birch = build.tenant("Acme"), build.tenant("Birch")
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)

    with acting(fresh_app, root):
        assert slugs() == {"acme", "birch"}
        token = bind(Actor(ada.id, ada.role, ada.organization_id))
        try:
            with pytest.raises(Missing):
                rename(birch, "Taken over")
            rename(acme, "Acme Logistics")
        finally:
            unbind(token)

    assert build.read(Organization, birch.id).name == "Birch"
    assert build.read(Organization, acme.id).updated_by == ada.id


def failing_first(times: int, kind: str) -> tuple[Any, list[int]]:
    """A command that fails this many times in PostgreSQL, and the list of its runs."""
    runs: list[int] = []

    @command
    def work() -> None:
        runs.append(len(runs))
        db.session.add(Organization(name="one", slug="one"))
        db.session.flush()
        if len(runs) <= times:
            raise_in_postgresql(kind)

    return work, runs


def raise_in_postgresql(state: str) -> None:
    body = f"BEGIN RAISE EXCEPTION 'on purpose' USING ERRCODE = '{state}'; END"
    db.session.connection().exec_driver_sql(f"DO $$ {body} $$")


@pytest.mark.parametrize("kind", ["serialization_failure", "deadlock_detected"])
def test_co6_a_serialization_failure_or_deadlock_is_retried(fresh_app: Flask, kind: str) -> None:
    work, runs = failing_first(ATTEMPTS - 1, kind)

    with acting(fresh_app):
        work()

        assert len(runs) == ATTEMPTS
        assert slugs() == {"one"}


def test_co6_a_command_that_never_succeeds_raises_busy(fresh_app: Flask) -> None:
    work, runs = failing_first(ATTEMPTS, "deadlock_detected")

    with acting(fresh_app):
        with pytest.raises(Busy):
            work()

        assert len(runs) == ATTEMPTS
        assert slugs() == set()


def test_a_row_that_changed_since_it_was_read_is_read_and_written_again(fresh_app: Flask) -> None:
    tenant = Builder(fresh_app).tenant("Acme")
    others = iter(["theirs"])

    @command
    def describe() -> int:
        row = db.session.get_one(Organization, tenant.id)
        if name := next(others, None):
            with db.engine.begin() as connection:
                connection.execute(update(Organization).values(name=name))
        row.name = f"{row.name} and ours"
        db.session.flush()
        return row.version

    with acting(fresh_app):
        assert describe() == 3
        assert db.session.get_one(Organization, tenant.id).name == "theirs and ours"


def test_other_database_errors_are_raised_at_once(fresh_app: Flask) -> None:
    work, runs = failing_first(1, "undefined_table")

    with acting(fresh_app), pytest.raises(ProgrammingError):
        work()

    assert len(runs) == 1


def test_co6_crossing_bulk_updates_deadlock_and_both_succeed(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    tenants = [build.tenant("One"), build.tenant("Two")]
    met = threading.Barrier(2)

    def crossing(first: Tenant, second: Tenant) -> Any:
        runs: list[int] = []

        @command
        def work() -> int:
            runs.append(1)
            for number, tenant in enumerate((first, second)):
                rename = update(Organization).where(Organization.id == tenant.id)
                db.session.execute(rename.values(name=func.concat(Organization.name, "+")))
                if number == 0 and len(runs) == 1:
                    met.wait(timeout=60)
            return len(runs)

        return work

    outcomes = run_concurrently(fresh_app, [crossing(*tenants), crossing(*reversed(tenants))])

    assert sorted(outcomes) == [1, 2]  # type: ignore[type-var]
    with acting(fresh_app):
        assert set(db.session.scalars(select(Organization.name))) == {"One++", "Two++"}


def test_a_violated_constraint_is_a_conflict_on_its_field(app: Flask, ada: Person, acme: Tenant) -> None:
    def conflict_of(row: Any) -> Conflict:
        with acting(app), pytest.raises(Conflict) as raised:
            command(db.session.add)(row)
        return raised.value

    twin = conflict_of(User(email=ada.email.upper()))
    slug = conflict_of(Organization(name="Other", slug=acme.slug))
    nameless = conflict_of(Organization(name=None, slug="nameless"))
    homeless = conflict_of(User(email="new@example.com", organization_id=uuid7()))

    assert (twin.field, twin.constraint) == ("email", "users_email_key")
    assert (slug.field, slug.constraint) == ("slug", "organizations_slug_key")
    assert nameless.field == "name"
    assert homeless.field == "organization_id"
    assert ada.email not in str(twin)


def test_copied_rows_are_part_of_the_command(fresh_app: Flask) -> None:
    @command
    def copy(slug: str, *, fails: bool) -> int:
        copied = copy_rows("organizations", ("id", "name", "slug"), ((uuid7(), slug, f"{slug}{n}") for n in range(3)))
        if fails:
            raise RuntimeError
        return copied

    with acting(fresh_app):
        with pytest.raises(RuntimeError):
            copy("a", fails=True)
        assert copy("b", fails=False) == 3
        assert slugs() == {"b0", "b1", "b2"}


def test_re6_every_statement_has_a_time_limit_unless_it_is_lifted(fresh_database: str) -> None:
    app = app_for(fresh_database, statement_timeout=0.5)
    with acting(app):
        with pytest.raises(OperationalError) as raised:
            db.session.execute(select(func.pg_sleep(5)))
        assert isinstance(raised.value.orig, pg.QueryCanceled)
        db.session.rollback()
        with without_time_limit():
            db.session.execute(select(func.pg_sleep(0.6)))
        db.session.rollback()
        assert db.session.scalar(select(func.current_setting("statement_timeout"))) == "500ms"
    disconnect(app)


def test_the_database_session_uses_utc(app: Flask) -> None:
    with acting(app):
        assert db.session.scalar(select(func.current_setting("timezone"))) == "UTC"


def test_lg6_error_messages_omit_the_parameters(app: Flask) -> None:
    with acting(app), pytest.raises(DBAPIError) as raised:
        db.session.execute(select(literal("a hash or an address"), literal(1) / literal(0)))

    assert "division by zero" in str(raised.value)
    assert "a hash" not in str(raised.value)
