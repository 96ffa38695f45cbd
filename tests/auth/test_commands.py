"""Does a sign-in begin only for the password that is stored when it begins?"""

from __future__ import annotations

from datetime import timedelta

from flask import Flask

from portal.auth import commands, queries
from portal.core.db import db
from portal.tokens.commands import Lifetime, open_sign_in
from portal.tokens.queries import live_of
from portal.users.commands import set_password
from tests.acting import acting
from tests.cast import PASSWORD, Person

WEEK = Lifetime(timedelta(days=7), timedelta(days=7))


def test_a_password_that_was_changed_while_it_was_checked_opens_nothing(app: Flask, uma: Person) -> None:
    with acting(app):
        read = db.session.execute(queries.by_email(uma.email)).one()
        set_password(uma.id, "another battery horse staple")

        assert commands._open(read, None, open_sign_in, lifetime=WEEK, counters=()) is None

        assert db.session.scalar(live_of(uma.id)) == 0


def test_the_right_password_opens_one_sign_in(app: Flask, uma: Person) -> None:
    with app.app_context():
        person = commands.sign_in(uma.email, PASSWORD, lifetime=WEEK, demo=False)

    assert person is not None
    with acting(app):
        assert db.session.scalar(live_of(uma.id)) == 1
