"""RT1 to RT6: each refresh token continues its session once, and every way to end a session ends its tokens."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from portal.core.actor import Role
from portal.core.clock import now
from portal.core.db import command, db
from portal.core.history import Activity
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.tokens.models import RefreshToken, Session
from portal.users import resets
from portal.users.commands import set_password, users
from portal.users.models import User
from tests.acting import acting, portal_on, run_concurrently
from tests.api.calling import LOGIN, LOGOUT, REFRESH, Program
from tests.cast import Builder, Person, Tenant
from tests.rounds import rounds

THREADS, ROUNDS = 50, rounds("ROUNDS", 12)
LATER = timedelta(hours=1)  # longer than any grace period


def age(app: Flask, by: timedelta = LATER) -> None:
    """Make all tokens older."""

    @command
    def work() -> None:
        for column in (RefreshToken.created_at, RefreshToken.revoked_at):
            statement = update(RefreshToken).values({column: column - by})
            db.session.execute(statement, execution_options={"synchronize_session": False})

    with acting(app):
        work()


def usable(app: Flask) -> int:
    """How many refresh tokens are usable: unused ones of active sessions."""
    with acting(app):
        found = (
            select(RefreshToken.id)
            .join(Session, Session.id == RefreshToken.session_id)
            .where(RefreshToken.revoked_at.is_(None), Session.ended_at.is_(None), Session.expires_at > now())
        )
        return len(db.session.scalars(found).all())


def events(app: Flask, action: str) -> list[Any]:
    with acting(app):
        return list(db.session.scalars(select(Activity).where(Activity.action == action)))


def emails(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    sent: list[tuple[Any, ...]] = []
    monkeypatch.setattr("portal.api.commands.send_later", lambda *given: sent.append(given))
    return sent


def test_rt1_a_refresh_returns_new_tokens_and_spends_the_used_one(app: Flask, program: Program, uma: Person) -> None:
    first = program.sign_in(uma)
    answer = program.refresh(first["refresh_token"])
    second = answer.json
    assert second is not None
    again = program.refresh(first["refresh_token"])

    assert answer.status_code == 200
    assert {first["refresh_token"], first["access_token"]}.isdisjoint(second.values())
    assert (first["token_type"], first["expires_in"]) == ("Bearer", 300)
    assert again.status_code == 409
    assert program.me(second["access_token"]).status_code == 200
    assert program.refresh(second["refresh_token"]).status_code == 200
    assert usable(app) == 1


def test_rt2_reusing_a_spent_token_ends_only_its_session_with_an_event_and_an_email(
    app: Flask, program: Program, uma: Person, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = emails(monkeypatch)
    other = program.sign_in(uma)["refresh_token"]
    tokens = [program.sign_in(uma)["refresh_token"]]
    for _ in range(2):
        tokens.append(program.next(tokens[-1]))
    access = program.refresh(other).json
    assert access is not None

    replay = program.refresh(tokens[0])

    assert (replay.status_code, replay.json["code"]) == (400, "invalid_grant")  # type: ignore[index]
    assert [program.refresh(token).status_code for token in tokens] == [400, 400, 400]
    assert program.refresh(access["refresh_token"]).status_code == 200
    assert sent == [("replay", uma.id)]
    (event,) = events(app, "replay")
    assert (event.row_id, event.organization_id, event.actor_id) == (uma.id, acme.id, None)


def test_rt2_the_access_token_of_an_ended_session_is_invalid(program: Program, uma: Person, app: Flask) -> None:
    first = program.sign_in(uma)
    program.next(first["refresh_token"])
    age(app)

    assert program.refresh(first["refresh_token"]).status_code == 400
    assert program.me(first["access_token"]).status_code == 401


def test_rt2_tenants_do_not_see_events_about_super_admins(app: Flask, program: Program, root: Person) -> None:
    first = program.sign_in(root)["refresh_token"]
    program.next(program.next(first))
    program.refresh(first)

    assert [event.organization_id for event in events(app, "replay")] == [None]


def test_rt3_within_the_grace_period_only_the_direct_predecessor_is_tolerated(
    app: Flask, program: Program, uma: Person
) -> None:
    first = program.sign_in(uma)["refresh_token"]
    second = program.next(first)
    assert [program.refresh(first).status_code for _ in range(3)] == [409] * 3

    third = program.next(second)
    assert program.refresh(second).status_code == 409
    assert usable(app) == 1

    assert program.refresh(first).status_code == 400
    assert program.refresh(third).status_code == 400
    assert usable(app) == 0


def test_rt3_after_the_grace_period_the_direct_predecessor_ends_the_session_too(
    app: Flask, program: Program, uma: Person
) -> None:
    first = program.sign_in(uma)["refresh_token"]
    second = program.next(first)
    age(app)

    assert program.refresh(first).status_code == 400
    assert program.refresh(second).status_code == 400


@pytest.fixture
def portal(fresh_database: str) -> Iterator[Flask]:
    """A portal where commits are real."""
    with portal_on(fresh_database, refreshes_per_network=100_000, concurrent_requests=100) as app:
        yield app


def test_rt3_of_fifty_concurrent_refreshes_exactly_one_succeeds(portal: Flask) -> None:
    build = Builder(portal)
    uma = build.person("uma@example.com", tenant=build.tenant("Acme"))
    program = Program(portal)
    first = token = program.sign_in(uma)["refresh_token"]

    for _ in range(ROUNDS):
        used = token
        outcomes = run_concurrently(portal, [lambda used=used: Program(portal).refresh(used)] * THREADS)  # type: ignore[misc]
        answers = [one for one in outcomes if not isinstance(one, Exception)]
        assert Counter(one.json.get("code") for one in answers) == {None: 1, "just_used": THREADS - 1}  # type: ignore[union-attr]
        assert Counter(one.status_code for one in answers) == {200: 1, 409: THREADS - 1}
        token = next(one.json["refresh_token"] for one in answers if one.status_code == 200)  # type: ignore[index]
        assert usable(portal) == 1

    assert program.refresh(first).status_code == 400
    assert usable(portal) == 0


def test_rt3_the_database_allows_only_one_unused_token_per_session(app: Flask, program: Program, uma: Person) -> None:
    program.sign_in(uma)
    with acting(app):
        twin = text(
            "INSERT INTO refresh_tokens (token, user_id, session_id, expires_at)"
            " SELECT 'twin', user_id, session_id, expires_at FROM refresh_tokens"
        )
        with pytest.raises(Exception, match="refresh_tokens_unspent_key"):
            db.session.execute(twin)


def test_rt4_only_token_hashes_are_stored_and_tokens_are_never_logged(
    app: Flask, program: Program, uma: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    first = program.sign_in(uma, headers={"Idempotency-Key": "one"})
    second = program.refresh(first["refresh_token"], headers={"Idempotency-Key": "two"}).json
    assert second is not None
    secrets = [one[name] for one in (first, second) for name in ("refresh_token", "access_token")]
    program.refresh("of-nobody")
    with acting(app):
        tables = ("sessions", "refresh_tokens", "activity", "idempotency_keys", "rate_limits", "api_tokens", "users")
        dump = [str(db.session.execute(text(f"SELECT t::text FROM {table} t")).all()) for table in tables]  # noqa: S608
        stored = db.session.scalars(select(RefreshToken.token)).all()

    texts = "".join(dump) + caplog.text
    assert not [secret for secret in secrets if secret in texts or secret.encode().hex() in texts]
    assert hashlib.sha256(second["refresh_token"].encode()).hexdigest() in stored
    assert len(second["refresh_token"]) >= 43  # 256 bits in base64


def test_rt5_a_session_expires_when_unused_and_at_its_fixed_end(fresh_database: str) -> None:
    with portal_on(fresh_database, kept_idle_hours=10, session_hours=24) as app:
        build, program = Builder(app), Program(app)
        uma = build.person("uma@example.com", tenant=build.tenant("Acme"))
        token = program.sign_in(uma)["refresh_token"]
        assert hours_left(app) == (10, 24)
        for _ in range(2):
            pass_hours(app, 9)
            token = program.next(token)
        assert hours_left(app) == (6, 6)  # not 10: the end does not move
        pass_hours(app, 7)
        assert program.refresh(token).status_code == 400

        idle = program.sign_in(uma)["refresh_token"]
        pass_hours(app, 11)
        assert program.refresh(idle).status_code == 400


def hours_left(app: Flask) -> tuple[int, int]:
    """In how many hours the newest session expires if unused, and at the latest; its tokens expire with it."""
    with acting(app):
        row = db.session.execute(select(Session.expires_at, Session.ends_at).order_by(Session.id.desc())).first()
        assert row is not None
        token = db.session.scalar(select(RefreshToken.expires_at).where(RefreshToken.revoked_at.is_(None)))
        assert token == row[0]
        idle, most = (round((one - now()) / timedelta(hours=1)) for one in row)
        return idle, most


@command
def _earlier(hours: int) -> None:
    gone = timedelta(hours=hours)
    for model, columns in (
        (Session, (Session.created_at, Session.used_at, Session.expires_at, Session.ends_at)),
        (RefreshToken, (RefreshToken.created_at, RefreshToken.revoked_at, RefreshToken.expires_at)),
    ):
        move = update(model).values({column: column - gone for column in columns})
        db.session.execute(move, execution_options={"synchronize_session": False})


def pass_hours(app: Flask, hours: int) -> None:
    with acting(app):
        _earlier(hours)


def log_out(_app: Flask, _root: Person, _uma: Person, program: Program, token: str) -> None:
    assert program.post(LOGOUT, {"refresh_token": token}).status_code == 204


def as_root(work: Callable[[Person], object]) -> Callable[[Flask, Person, Person, Program, str], None]:
    def end(app: Flask, root: Person, uma: Person, _program: Program, _token: str) -> None:
        with acting(app, root):
            work(uma)

    return end


def move(uma: Person) -> None:
    birch = db.session.scalars(select(Organization.id).where(Organization.slug == "birch")).one()
    users.update(uma.id, 1, {"organization_id": birch})


def delete_organization(uma: Person) -> None:
    assert uma.organization_id is not None
    organizations.delete(uma.organization_id)


def demote(uma: Person) -> None:
    users.update(uma.id, 1, {"role": Role.USER})


ENDS = {
    "logout": log_out,
    "a changed password": as_root(lambda uma: set_password(uma.id, "another horse battery staple")),
    "a reset": as_root(lambda uma: resets.reset_password(uma.id)),
    "deactivation": as_root(lambda uma: users.set_active(uma.id, is_active=False)),
    "deletion": as_root(lambda uma: users.delete(uma.id)),
    "deletion of the organization": as_root(delete_organization),
    "a move": as_root(move),
    "demotion": as_root(demote),
}


@pytest.mark.parametrize("event", ENDS)
def test_rt6_a_session_ends_after(
    app: Flask, build: Builder, program: Program, root: Person, acme: Tenant, birch: Tenant, event: str
) -> None:
    assert birch
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=acme)
    tokens = program.sign_in(ada)
    bystander = program.sign_in(root)
    assert program.me(tokens["access_token"]).status_code == 200

    ENDS[event](app, root, ada, program, tokens["refresh_token"])

    assert program.refresh(tokens["refresh_token"]).status_code == 400
    assert program.me(tokens["access_token"]).status_code == 401
    assert program.refresh(bystander["refresh_token"]).status_code == 200


def test_rt6_logging_out_with_a_spent_token_ends_the_session_and_unknown_tokens_look_the_same(
    app: Flask, program: Program, uma: Person
) -> None:
    first = program.sign_in(uma)["refresh_token"]
    program.next(first)

    answers = [program.post(LOGOUT, {"refresh_token": token}) for token in (first, first, "of nobody")]

    assert {(one.status_code, one.text) for one in answers} == {(204, "")}
    assert usable(app) == 0
    assert len(events(app, "sign_out")) == 1


def test_rt6_a_changed_name_does_not_end_a_session(app: Flask, program: Program, root: Person, uma: Person) -> None:
    token = program.sign_in(uma)["refresh_token"]
    with acting(app, root):
        users.update(uma.id, 1, {"first_name": "Changed"})

    assert program.refresh(token).status_code == 200


def test_rt6_clients_of_a_deleted_organization_are_refused_until_it_is_restored(
    app: Flask, program: Program, uma: Person, acme: Tenant
) -> None:
    tokens = program.sign_in(uma)
    with acting(app):
        organizations.delete(acme.id)

    refused = program.me(tokens["access_token"]), program.refresh(tokens["refresh_token"])
    with acting(app):
        organizations.restore(acme.id)

    assert [answer.status_code for answer in refused] == [401, 400]
    assert program.me(tokens["access_token"]).status_code == 200
    assert program.refresh(tokens["refresh_token"]).status_code == 200


def test_au4_every_failed_sign_in_gets_the_same_response(
    app: Flask, build: Builder, program: Program, uma: Person, gil: Person
) -> None:
    closed = build.tenant("Closed")
    people = {
        "wrong": uma.email,
        "unknown": "nobody@example.com",
        "deactivated": build.person("off@example.com", is_active=False).email,
        "deleted": gil.email,
        "of a deleted organization": build.person("closed@example.com", tenant=closed).email,
    }
    with acting(app):
        organizations.delete(closed.id)

    answers = {
        reason: program.post(LOGIN, {"email": email, "password": "wrong" if reason == "wrong" else uma.password})
        for reason, email in people.items()
    }

    responses = {
        (one.status_code, one.text.replace(one.headers["X-Request-Id"], "ID"), str(_headers(one)))
        for one in answers.values()
    }
    assert len(responses) == 1
    assert next(iter(responses))[0] == 401
    assert len(events(app, "sign_in_failed")) >= 1
    assert usable(app) == 0


def _headers(answer: Any) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in answer.headers if name not in ("X-Request-Id", "Date"))


def test_au4_a_sign_in_by_a_program_is_recorded_and_becomes_the_last_sign_in(
    app: Flask, build: Builder, program: Program, uma: Person
) -> None:
    program.sign_in(uma)

    assert [event.row_id for event in events(app, "sign_in")] == [uma.id]
    assert build.read(User, uma.id).last_sign_in_at is not None


def test_au5_sign_ins_and_refreshes_are_rate_limited_with_retry_after(fresh_database: str) -> None:
    with portal_on(fresh_database, guesses_per_account=4, refreshes_per_network=4) as app:
        build, program = Builder(app), Program(app)
        uma = build.person("uma@example.com", tenant=build.tenant("Acme"))
        wrong = {"email": uma.email, "password": "wrong"}
        guesses = [program.post(LOGIN, wrong) for _ in range(3)]
        refreshes = [program.post(REFRESH, {"refresh_token": "of nobody"}) for _ in range(3)]

    assert [one.status_code for one in guesses] == [401, 401, 429]
    assert [one.status_code for one in refreshes] == [400, 400, 429]
    assert int(guesses[-1].headers["Retry-After"]) > 0
    assert int(refreshes[-1].headers["Retry-After"]) > 0
