"""Sessions are stored without their secret, and end for good."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from portal.core.clock import now
from portal.core.db import command, db
from portal.core.errors import NotAllowed
from portal.tokens.commands import (
    Lifetime,
    add_session,
    end_client_sessions,
    open_session,
    prune,
    revoke,
    revoke_all,
)
from portal.tokens.models import RefreshToken, Session, digest
from portal.tokens.queries import is_live, live_of
from tests.acting import acting
from tests.cast import Person

WEEK = Lifetime(timedelta(days=7), timedelta(days=7))
PAST = Lifetime(timedelta(days=-7), timedelta(days=7))


def active_sessions(person: Person) -> int:
    return db.session.scalar(live_of(person.id)) or 0


def test_opening_a_session_adds_one_row(app: Flask, uma: Person) -> None:
    with acting(app):
        token = open_session(uma.id, uma.organization_id, lifetime=WEEK)

        row = db.session.scalars(select(Session)).one()
        assert (row.user_id, row.organization_id, row.ended_at) == (uma.id, uma.organization_id, None)
        assert db.session.scalar(select(Session.token)) == digest(token)
        assert timedelta(0) < now() + WEEK.idle - row.expires_at < timedelta(minutes=1)


def test_only_the_digest_of_a_token_is_stored(app: Flask, uma: Person) -> None:
    with acting(app):
        tokens = [open_session(uma.id, None, lifetime=WEEK) for _ in range(20)]
        stored = str(db.session.execute(text("SELECT array_agg(sessions::text) FROM sessions")).scalar())

    assert len(set(tokens)) == 20
    assert all(len(token) >= 43 and token not in stored for token in tokens)


def test_an_ended_or_expired_session_is_not_active(app: Flask, uma: Person) -> None:
    with acting(app):
        ended = open_session(uma.id, None, lifetime=WEEK)
        open_session(uma.id, None, lifetime=PAST)
        alive = open_session(uma.id, None, lifetime=WEEK)
        revoke(ended)

        assert db.session.scalars(select(Session.token).where(is_live())).all() == [digest(alive)]
        assert active_sessions(uma) == 1


def test_ending_a_session_twice_keeps_the_first_time(app: Flask, uma: Person) -> None:
    with acting(app):
        token = open_session(uma.id, None, lifetime=WEEK)
        revoke(token)
        first = db.session.scalar(select(Session.ended_at))
        revoke(token)

        assert db.session.scalar(select(Session.ended_at)) == first


def test_ending_all_sessions_of_a_person_leaves_those_of_others(app: Flask, uma: Person, ada: Person) -> None:
    with acting(app):
        for person in (uma, uma, ada):
            open_session(person.id, person.organization_id, lifetime=WEEK)
        revoke_all(uma.id)

        assert (active_sessions(uma), active_sessions(ada)) == (0, 1)


def test_an_unknown_token_ends_nothing(app: Flask, uma: Person) -> None:
    with acting(app):
        open_session(uma.id, None, lifetime=WEEK)
        revoke("unknown")

        assert active_sessions(uma) == 1


def test_ac2_nobody_can_end_sessions_of_another_organization(app: Flask, uma: Person, bea: Person) -> None:
    with acting(app):
        token = open_session(uma.id, uma.organization_id, lifetime=WEEK)
    with acting(app, bea):
        revoke_all(uma.id)
        with pytest.raises(NotAllowed):
            revoke(token)  # no page does this, because only the session itself knows its token
    with acting(app):
        assert active_sessions(uma) == 1


@command
def client_session_of(person: Person) -> uuid.UUID:
    """A session of an API client with one unused refresh token."""
    key = add_session(person.id, person.organization_id, now(), lifetime=WEEK, token=None)
    token = RefreshToken(token=str(key), user_id=person.id, organization_id=person.organization_id, session_id=key)
    token.expires_at = now() + WEEK.idle
    db.session.add(token)
    return key


def active() -> tuple[set[uuid.UUID], set[uuid.UUID]]:
    """The active sessions, and the sessions of unused refresh tokens."""
    tokens = select(RefreshToken.session_id).where(RefreshToken.revoked_at.is_(None))
    return set(db.session.scalars(select(Session.id).where(is_live()))), set(db.session.scalars(tokens))


def test_ending_client_sessions_leaves_browsers_and_other_people_alone(app: Flask, uma: Person, ada: Person) -> None:
    with acting(app):
        open_session(uma.id, uma.organization_id, lifetime=WEEK)
        browser = db.session.scalars(select(Session.id).where(Session.is_browser)).one()
        theirs, ours = client_session_of(ada), {client_session_of(uma), client_session_of(uma)}
    with acting(app, ada):
        end_client_sessions(uma.id, has_moved=False)

    with acting(app):
        assert active() == ({browser, theirs}, {theirs})
        assert set(db.session.scalars(select(Session.id).where(Session.ended_at.is_not(None)))) == ours


def test_pruning_removes_only_sessions_that_ended_before_the_limit(
    app: Flask, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.tokens.commands.PRUNED_AT_ONCE", 2)
    month = now() - timedelta(days=30)
    with acting(app):
        keys = [client_session_of(uma) for _ in range(7)]
        columns = ("ended_at", "expires_at") * 3
        for key, column, days in zip(keys, columns, (31, 31, 29, 29, 99, 99), strict=False):
            moved = update(Session).where(Session.id == key).values({column: now() - timedelta(days=days)})
            db.session.execute(moved, execution_options={"synchronize_session": False})
        db.session.commit()

        assert (prune(month), prune(month)) == (4, 0)

        assert set(db.session.scalars(select(Session.id))) == {keys[2], keys[3], keys[6]}
        assert set(db.session.scalars(select(RefreshToken.session_id))) == {keys[2], keys[3], keys[6]}
