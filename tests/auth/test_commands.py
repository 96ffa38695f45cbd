"""A session is only opened for the password that is stored at that moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from portal.auth import commands, queries
from portal.core.clock import now
from portal.core.db import db
from portal.tokens import commands as tokens
from portal.tokens.commands import Lifetime, open_session
from portal.tokens.models import Session
from portal.tokens.queries import live_of
from portal.users.commands import set_password
from tests.access.visitor import Visitor
from tests.acting import acting, run_concurrently
from tests.cast import PASSWORD, Builder, Person
from tests.database import disconnect

WEEK = Lifetime(timedelta(days=7), timedelta(days=7))


def test_a_password_changed_during_the_check_opens_no_session(app: Flask, uma: Person) -> None:
    with acting(app):
        read = db.session.execute(queries.by_email(uma.email)).one()
        set_password(uma.id, "another battery horse staple")

        assert commands._open(read, None, open_session, lifetime=WEEK, counters=()) is None

        assert db.session.scalar(live_of(uma.id)) == 0


def test_the_right_password_opens_one_session(app: Flask, uma: Person) -> None:
    with app.app_context():
        person = commands.sign_in(uma.email, PASSWORD, lifetime=WEEK, demo=False)

    assert person is not None
    with acting(app):
        assert db.session.scalar(live_of(uma.id)) == 1


def session_of(app: Flask, person: Person) -> Session:
    with acting(app):
        return db.session.scalars(select(Session).where(Session.user_id == person.id)).one()


def age_last_use(app: Flask) -> None:
    with acting(app):
        db.session.connection().exec_driver_sql("UPDATE sessions SET used_at = used_at - interval '2 minutes'")
        db.session.commit()


def test_se6_use_is_recorded_with_its_origin_at_most_once_a_minute(app: Flask, uma: Person) -> None:
    visitor = Visitor(app, uma)
    first = session_of(app, uma)
    visitor.get("/account/")
    assert session_of(app, uma).used_at == first.used_at

    age_last_use(app)
    elsewhere = {"REMOTE_ADDR": "192.0.2.5", "HTTP_USER_AGENT": "robot/2"}
    for _ in range(3):
        visitor.get("/account/", environ_base=elsewhere)

    after = session_of(app, uma)
    assert first.used_at < after.used_at < now()
    assert (after.address, after.agent, after.created_at) == ("192.0.2.5", "robot/2", first.created_at)
    assert after.expires_at - after.used_at == first.expires_at - first.used_at


MANY_SESSIONS = """
INSERT INTO sessions (token, user_id, idle, expires_at, ends_at)
SELECT n::text, user_id, idle, expires_at, ends_at FROM sessions, generate_series(1, 1000) n
"""


def test_looking_up_a_session_is_one_statement_that_uses_an_index(app: Flask, uma: Person) -> None:
    visitor = Visitor(app, uma)
    seen: list[tuple[str, Any]] = []
    with app.app_context():
        engine = db.engine

    def watch(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", watch)
    visitor.get("/nowhere")
    event.remove(engine, "before_cursor_execute", watch)

    ((statement, parameters),) = [one for one in seen if "sessions" in one[0]]
    with acting(app):
        connection = db.session.connection()
        connection.exec_driver_sql(MANY_SESSIONS)
        connection.exec_driver_sql("ANALYZE sessions")
        plan = str(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).all())
        db.session.rollback()
    assert "Index Scan using sessions_token_key" in plan, plan


def test_concurrent_requests_record_the_use_of_a_session_once(fresh_app: Flask) -> None:
    uma = Builder(fresh_app).person("uma@example.com")
    Visitor(fresh_app, uma)
    row = session_of(fresh_app, uma)
    with acting(fresh_app):
        connection = db.session.connection()
        connection.exec_driver_sql("CREATE TABLE noted (at timestamptz)")
        connection.exec_driver_sql(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO noted VALUES (NEW.used_at); RETURN NULL; END'"
        )
        connection.exec_driver_sql("CREATE TRIGGER note AFTER UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION note()")
        db.session.commit()

    outcomes = run_concurrently(fresh_app, [lambda: tokens.use(row.id, row.used_at)] * 8)

    assert outcomes == [None] * 8
    with acting(fresh_app):
        assert db.session.connection().exec_driver_sql("SELECT count(*) FROM noted").scalar() == 1


def test_people_stay_signed_in_while_the_database_is_read_only(
    fresh_app: Flask, fresh_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    uma = Builder(fresh_app).person("uma@example.com")
    visitor = Visitor(fresh_app, uma)
    age_last_use(fresh_app)
    before = session_of(fresh_app, uma).used_at
    with acting(fresh_app):
        name = db.session.connection().exec_driver_sql("SELECT current_database()").scalar()
        db.session.connection().exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        db.session.commit()
    disconnect(fresh_app)

    assert visitor.get("/account/").status_code == 200
    assert session_of(fresh_app, uma).used_at == before
    assert "the use of a session could not be recorded: ReadOnlySqlTransaction" in caplog.text
