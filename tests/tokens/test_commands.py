"""Does a sign-in begin as a row without its secret, and end for good?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text

from portal.core.clock import now
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.tokens.commands import open_family, revoke, revoke_all
from portal.tokens.models import RefreshToken, digest
from portal.tokens.queries import is_live, live_of
from tests.acting import acting
from tests.cast import Person

WEEK = timedelta(days=7)


def live(person: Person) -> int:
    return db.session.scalar(live_of(person.id)) or 0


def test_a_sign_in_is_one_row_of_a_family_of_its_own(app: Flask, uma: Person) -> None:
    with acting(app):
        token = open_family(uma.id, uma.organization_id, lasts=WEEK)

        row = db.session.scalars(select(RefreshToken)).one()
        assert (row.user_id, row.organization_id, row.revoked_at) == (uma.id, uma.organization_id, None)
        assert row.token == digest(token)
        assert timedelta(0) < now() + WEEK - row.expires_at < timedelta(minutes=1)


def test_only_the_digest_of_a_token_is_stored(app: Flask, uma: Person) -> None:
    with acting(app):
        tokens = [open_family(uma.id, None, lasts=WEEK) for _ in range(20)]
        stored = str(db.session.execute(text("SELECT array_agg(refresh_tokens::text) FROM refresh_tokens")).scalar())

    assert len(set(tokens)) == 20
    assert all(len(token) >= 43 and token not in stored for token in tokens)


def test_a_sign_in_that_was_ended_or_has_expired_is_not_alive(app: Flask, uma: Person) -> None:
    with acting(app):
        ended = open_family(uma.id, None, lasts=WEEK)
        open_family(uma.id, None, lasts=-WEEK)
        alive = open_family(uma.id, None, lasts=WEEK)
        revoke(ended)

        assert db.session.scalars(select(RefreshToken.token).where(is_live())).all() == [digest(alive)]
        assert live(uma) == 1


def test_ending_twice_keeps_the_moment_of_the_first(app: Flask, uma: Person) -> None:
    with acting(app):
        token = open_family(uma.id, None, lasts=WEEK)
        revoke(token)
        first = db.session.scalar(select(RefreshToken.revoked_at))
        revoke(token)

        assert db.session.scalar(select(RefreshToken.revoked_at)) == first


def test_ending_all_of_one_person_ends_nobody_elses(app: Flask, uma: Person, ada: Person) -> None:
    with acting(app):
        for person in (uma, uma, ada):
            open_family(person.id, person.organization_id, lasts=WEEK)
        revoke_all(uma.id)

        assert (live(uma), live(ada)) == (0, 1)


def test_an_unknown_token_ends_nothing(app: Flask, uma: Person) -> None:
    with acting(app):
        open_family(uma.id, None, lasts=WEEK)
        revoke("unknown")

        assert live(uma) == 1


def test_ac2_nobody_ends_sign_ins_of_another_organization(app: Flask, uma: Person, bea: Person) -> None:
    with acting(app):
        token = open_family(uma.id, uma.organization_id, lasts=WEEK)
    with acting(app, bea):
        revoke_all(uma.id)
        with pytest.raises(NotAllowed):
            revoke(token)  # no page does: a token is read by the sign-in alone
    with acting(app):
        assert live(uma) == 1
