"""The column users.has_two_factor agrees with the tables of second factors, whoever changes them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import Connection, TextClause, text

from portal.core.db import db
from portal.core.history import Activity
from portal.mfa import commands as mfa
from portal.mfa.passkeys import NewPasskey
from portal.users.models import User
from tests.access.test_concurrent_changes import wait_until_blocked_by
from tests.access.visitor import Visitor
from tests.acting import acting, actor_of
from tests.cast import Builder, Person

ADD_APP = text("INSERT INTO authenticators (user_id, secret, last_step) VALUES (:id, 'secret', 0)")
ADD_PASSKEY = text(
    "INSERT INTO passkeys (user_id, name, credential_id, public_key, sign_count) VALUES (:id, 'Key', '', '', 0)"
)
REMOVE_APP = text("DELETE FROM authenticators WHERE user_id = :id")
REMOVE_PASSKEY = text("DELETE FROM passkeys WHERE user_id = :id")
GIVE_PASSKEY = text("UPDATE passkeys SET user_id = :other WHERE user_id = :id")
STATE = text("SELECT has_two_factor FROM users WHERE id = :id")


def test_it_follows_every_change_without_a_new_version_or_an_entry_in_the_history(
    app: Flask, uma: Person, ada: Person, build: Builder
) -> None:
    def after(change: TextClause) -> list[Any]:
        db.session.execute(change, {"id": uma.id, "other": ada.id})
        return [db.session.scalar(STATE, {"id": person.id}) for person in (uma, ada)]

    version = build.read(User, uma.id).version
    with acting(app):
        events = db.session.query(Activity).count()
        assert after(text("SELECT 1")) == [False, False]
        assert after(ADD_APP) == [True, False]
        assert after(ADD_PASSKEY) == [True, False]
        assert after(REMOVE_APP) == [True, False]
        assert after(GIVE_PASSKEY) == [False, True]
        assert after(text("DELETE FROM passkeys")) == [False, False]
        assert db.session.query(Activity).count() == events
        db.session.commit()
    assert build.read(User, uma.id).version == version


def test_two_factors_removed_at_the_same_time_leave_none(fresh_app: Flask) -> None:
    uma = Builder(fresh_app).person("uma@example.com")

    def change(connection: Connection, *statements: TextClause) -> None:
        for statement in statements:
            connection.execute(statement, {"id": uma.id})

    def remove_passkey() -> None:
        with fresh_app.app_context(), db.engine.begin() as another:
            change(another, REMOVE_PASSKEY)

    with fresh_app.app_context(), ThreadPoolExecutor(1) as pool:
        with db.engine.begin() as connection:
            change(connection, ADD_APP, ADD_PASSKEY)
        with db.engine.begin() as connection:
            change(connection, REMOVE_APP)
            running = pool.submit(remove_passkey)
            wait_until_blocked_by(connection)
        running.result(timeout=60)
        with db.engine.connect() as connection:
            assert connection.scalar(STATE, {"id": uma.id}) is False


@pytest.mark.parametrize("role", ["root", "ada"])
@pytest.mark.parametrize("search", [{}, {"q": "example"}])
@pytest.mark.parametrize("htmx", [False, True])
def test_lists_show_and_filter_it(
    app: Flask, request: pytest.FixtureRequest, uma: Person, bea: Person, role: str, search: dict[str, str], htmx: bool
) -> None:
    with acting(app):
        for number, person in enumerate((uma, bea)):
            mfa._add_passkey(actor_of(person), "Key", NewPasskey(bytes([number]), b"public", 0))
    reader: Person = request.getfixturevalue(role)
    visitor = Visitor(app, reader)

    on, off = (
        visitor.get(f"/users/?{urlencode({'two_factor': state, **search})}", htmx=htmx).text for state in ("yes", "no")
    )

    assert uma.email in on
    assert uma.email not in off
    assert reader.email in off.partition("<tbody")[2]
    assert reader.email not in on.partition("<tbody")[2]
    assert "Two-factor authentication on" in on
    assert (bea.email in on) is (role == "root")
    assert bea.email not in off
