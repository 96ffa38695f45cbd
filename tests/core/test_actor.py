"""The actor is always known."""

from __future__ import annotations

import threading

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, insert, make_url, select, update

from portal.core.actor import SYSTEM, Actor, ActorChangedError, NoActorError, Role, bind, current_actor, unbind
from portal.core.db import acting_as, db
from portal.core.keys import uuid7
from portal.organizations.models import Organization
from portal.users.models import User
from tests.acting import acting, actor_of
from tests.cast import Builder, Person, Tenant


def test_a_query_without_an_actor_raises(app: Flask) -> None:
    with app.app_context(), pytest.raises(NoActorError):
        db.session.execute(select(User))


def test_a_write_without_an_actor_raises(app: Flask) -> None:
    with app.app_context(), pytest.raises(NoActorError):
        db.session.execute(update(User).values(first_name="Nobody"))
    with app.app_context(), pytest.raises(NoActorError):
        db.session.execute(insert(Organization), [{"id": uuid7(), "name": "None", "slug": "none"}])
    with app.app_context():
        db.session.add(Organization(name="None", slug="none"))
        with pytest.raises(NoActorError):
            db.session.flush()
        db.session.rollback()


def test_a_connection_of_the_session_without_an_actor_raises(app: Flask) -> None:
    with app.app_context(), pytest.raises(NoActorError):
        db.session.connection()


def test_a_query_by_another_actor_inside_an_open_transaction_raises(app: Flask, ada: Person, bea: Person) -> None:
    with acting(app, ada):
        db.session.scalars(select(User)).all()
        token = bind(actor_of(bea))

        with pytest.raises(ActorChangedError):
            db.session.scalars(select(User)).all()

        unbind(token)


def test_a_flush_by_another_actor_inside_an_open_transaction_raises(app: Flask, ada: Person, uma: Person) -> None:
    with acting(app, ada):
        user = db.session.scalars(select(User).where(User.id == uma.id)).one()
        token = bind(SYSTEM)
        user.first_name = "Changed"

        with pytest.raises(ActorChangedError):
            db.session.flush()

        unbind(token)


def test_the_actor_can_change_between_transactions(app: Flask, ada: Person, bea: Person) -> None:
    with acting(app, ada):
        db.session.scalars(select(User)).all()
        db.session.rollback()
        token = bind(actor_of(bea))

        assert db.session.scalars(select(User.email)).all() == [bea.email]

        db.session.rollback()
        unbind(token)


def test_acting_as_uses_its_own_session_until_the_block_ends(fresh_app: Flask) -> None:
    tenant = Builder(fresh_app).tenant("Acme")
    with acting(fresh_app):
        outer = db.session()
        db.session.add(Organization(name="Unsaved", slug="unsaved"))
        db.session.flush()

        with acting_as(SYSTEM):
            assert db.session() is not outer
            assert db.session.scalars(select(Organization.id)).all() == [tenant.id]

        assert db.session() is outer
        assert db.session.scalar(select(func.count(Organization.id))) == 2


def test_acting_as_ends_if_the_block_fails(app: Flask, ada: Person) -> None:
    with acting(app, ada):
        with pytest.raises(ZeroDivisionError), acting_as(SYSTEM):
            _ = 1 // 0

        assert current_actor() == actor_of(ada)


def test_acting_as_ends_if_the_connection_is_lost(fresh_app: Flask, fresh_database: str) -> None:
    url = make_url(fresh_database).set(drivername="postgresql").render_as_string(hide_password=False)
    with fresh_app.app_context():
        with acting_as(SYSTEM):
            process = db.session.scalar(select(func.pg_backend_pid()))
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [process])

        with pytest.raises(NoActorError):
            current_actor()
        with acting_as(SYSTEM):
            assert db.session.scalar(select(func.count(Organization.id))) == 0


def test_a_new_thread_has_no_actor(app: Flask, ada: Person) -> None:
    raised: list[Exception] = []

    def ask() -> None:
        try:
            current_actor()
        except NoActorError as error:
            raised.append(error)

    with acting(app, ada):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

    assert len(raised) == 1


def test_postgresql_knows_the_actor_only_during_the_transaction(fresh_app: Flask) -> None:
    tenant: Tenant = Builder(fresh_app).tenant("Acme")
    ada = Builder(fresh_app).person("ada@example.com", role=Role.ADMIN, tenant=tenant)
    known = select(func.current_setting("portal.actor_id", True), func.current_setting("portal.organization_id", True))

    with acting(fresh_app, ada):
        assert tuple(db.session.execute(known).one()) == (str(ada.id), str(tenant.id))
        db.session.rollback()
    with acting(fresh_app), db.engine.connect() as connection:
        assert not any(connection.execute(known).one())


def test_only_people_of_an_organization_are_limited() -> None:
    assert SYSTEM.is_unlimited
    assert Actor(uuid7(), Role.SUPER_ADMIN).is_unlimited
    assert not Actor(uuid7(), Role.ADMIN).is_unlimited
    assert not Actor(uuid7(), Role.USER).is_unlimited
