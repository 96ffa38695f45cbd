"""Does a sign-in begin as a row without its secret, and end for good?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from portal.core.clock import now
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.tokens.commands import Lifetime, open_sign_in, revoke, revoke_all
from portal.tokens.models import SignIn, digest
from portal.tokens.queries import is_live, live_of
from tests.acting import acting
from tests.cast import Person

WEEK = Lifetime(timedelta(days=7), timedelta(days=7))
PAST = Lifetime(timedelta(days=-7), timedelta(days=7))


def live(person: Person) -> int:
    return db.session.scalar(live_of(person.id)) or 0


def test_a_sign_in_is_one_row_of_a_family_of_its_own(app: Flask, uma: Person) -> None:
    with acting(app):
        token = open_sign_in(uma.id, uma.organization_id, lifetime=WEEK)

        row = db.session.scalars(select(SignIn)).one()
        assert (row.user_id, row.organization_id, row.ended_at) == (uma.id, uma.organization_id, None)
        assert db.session.scalar(select(SignIn.token)) == digest(token)
        assert timedelta(0) < now() + WEEK.idle - row.expires_at < timedelta(minutes=1)


def test_only_the_digest_of_a_token_is_stored(app: Flask, uma: Person) -> None:
    with acting(app):
        tokens = [open_sign_in(uma.id, None, lifetime=WEEK) for _ in range(20)]
        stored = str(db.session.execute(text("SELECT array_agg(sign_ins::text) FROM sign_ins")).scalar())

    assert len(set(tokens)) == 20
    assert all(len(token) >= 43 and token not in stored for token in tokens)


def test_a_sign_in_that_was_ended_or_has_expired_is_not_alive(app: Flask, uma: Person) -> None:
    with acting(app):
        ended = open_sign_in(uma.id, None, lifetime=WEEK)
        open_sign_in(uma.id, None, lifetime=PAST)
        alive = open_sign_in(uma.id, None, lifetime=WEEK)
        revoke(ended)

        assert db.session.scalars(select(SignIn.token).where(is_live())).all() == [digest(alive)]
        assert live(uma) == 1


def test_ending_twice_keeps_the_moment_of_the_first(app: Flask, uma: Person) -> None:
    with acting(app):
        token = open_sign_in(uma.id, None, lifetime=WEEK)
        revoke(token)
        first = db.session.scalar(select(SignIn.ended_at))
        revoke(token)

        assert db.session.scalar(select(SignIn.ended_at)) == first


def test_ending_all_of_one_person_ends_nobody_elses(app: Flask, uma: Person, ada: Person) -> None:
    with acting(app):
        for person in (uma, uma, ada):
            open_sign_in(person.id, person.organization_id, lifetime=WEEK)
        revoke_all(uma.id)

        assert (live(uma), live(ada)) == (0, 1)


def test_an_unknown_token_ends_nothing(app: Flask, uma: Person) -> None:
    with acting(app):
        open_sign_in(uma.id, None, lifetime=WEEK)
        revoke("unknown")

        assert live(uma) == 1


def test_ac2_nobody_ends_sign_ins_of_another_organization(app: Flask, uma: Person, bea: Person) -> None:
    with acting(app):
        token = open_sign_in(uma.id, uma.organization_id, lifetime=WEEK)
    with acting(app, bea):
        revoke_all(uma.id)
        with pytest.raises(NotAllowed):
            revoke(token)  # no page does: a token is read by the sign-in alone
    with acting(app):
        assert live(uma) == 1
