"""CO7: a request with an Idempotency-Key is executed once, however often it is sent."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.api import commands
from portal.api.models import IdempotencyKey
from portal.core.db import command, db
from portal.tokens.models import Session
from tests.acting import acting, portal_on
from tests.api.calling import LOGIN, LOGOUT, REFRESH, Program
from tests.cast import PASSWORD, Builder, Person

ONE = {"Idempotency-Key": "one"}


def client_sessions(app: Flask) -> int:
    with acting(app):
        return len(db.session.scalars(select(Session.id)).all())


def kept(app: Flask) -> int:
    with acting(app):
        return len(db.session.scalars(select(IdempotencyKey.key)).all())


def pass_time(app: Flask, by: timedelta) -> None:
    @command
    def work() -> None:
        earlier = update(IdempotencyKey).values(created_at=IdempotencyKey.created_at - by)
        db.session.execute(earlier, execution_options={"synchronize_session": False})

    with acting(app):
        work()


def test_co7_a_repeated_request_gets_the_same_response_and_runs_once(app: Flask, program: Program, uma: Person) -> None:
    first = program.sign_in(uma, headers=ONE)
    again = program.post(LOGIN, {"email": uma.email, "password": uma.password}, headers=ONE)
    assert again.json == first
    assert again.headers["Idempotency-Replayed"] == "true"
    assert client_sessions(app) == 1

    refreshed = [program.refresh(first["refresh_token"], headers=ONE) for _ in range(3)]
    assert [one.status_code for one in refreshed] == [200] * 3
    assert refreshed[0].json == refreshed[1].json == refreshed[2].json
    left = [program.post(LOGOUT, {"refresh_token": first["refresh_token"]}, headers=ONE) for _ in range(2)]
    assert [one.status_code for one in left] == [204] * 2


def test_co7_another_key_or_no_key_is_another_request(app: Flask, program: Program, uma: Person) -> None:
    for headers in (ONE, {"Idempotency-Key": "two"}, {}):
        program.sign_in(uma, headers=headers)

    assert client_sessions(app) == 3


def test_co7_another_body_under_the_same_key_is_422(program: Program, uma: Person) -> None:
    first = program.sign_in(uma, headers=ONE)["refresh_token"]
    wrong = program.post(LOGIN, {"email": uma.email, "password": PASSWORD, "otp": "000000"}, headers=ONE)
    second = program.refresh(first, headers=ONE).json
    assert second is not None
    other = program.refresh(second["refresh_token"], headers=ONE)

    assert [(one.status_code, one.json["code"]) for one in (wrong, other)] == [(422, "key_reused")] * 2  # type: ignore[index]


def test_co7_different_callers_can_use_the_same_key(program: Program, uma: Person, ada: Person) -> None:
    assert program.sign_in(uma, headers=ONE) != program.sign_in(ada, headers=ONE)


def test_co7_a_request_still_in_flight_is_409_and_runs_once(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, proceed = threading.Event(), threading.Event()
    with portal_on(fresh_database) as app:
        build = Builder(app)
        uma = build.person("uma@example.com", tenant=build.tenant("Acme"))
        log_in = commands.log_in

        def slow(*args: Any, **kwargs: Any) -> Any:
            started.set()
            assert proceed.wait(60)
            return log_in(*args, **kwargs)

        monkeypatch.setattr("portal.api.commands.log_in", slow)
        first: list[dict[str, Any]] = []
        thread = threading.Thread(target=lambda: first.append(Program(app).sign_in(uma, headers=ONE)))
        thread.start()
        assert started.wait(60)
        twin = Program(app).post(LOGIN, {"email": uma.email, "password": uma.password}, headers=ONE)
        proceed.set()
        thread.join(60)

        assert (twin.status_code, twin.json["code"]) == (409, "in_flight")  # type: ignore[index]
        assert Program(app).sign_in(uma, headers=ONE) == first[0]
        assert client_sessions(app) == 1


def test_co7_a_key_can_be_reused_after_a_day(app: Flask, program: Program, uma: Person) -> None:
    first = program.sign_in(uma, headers=ONE)
    pass_time(app, timedelta(hours=23))
    assert program.sign_in(uma, headers=ONE) == first
    pass_time(app, timedelta(hours=2))
    assert program.sign_in(uma, headers=ONE) != first
    assert (client_sessions(app), kept(app)) == (2, 1)


def test_co7_refused_requests_are_not_stored(app: Flask, program: Program, uma: Person) -> None:
    answer = program.post(LOGIN, {"email": uma.email, "password": "wrong"}, headers=ONE)

    assert (answer.status_code, kept(app)) == (401, 0)
    program.sign_in(uma, headers=ONE)


def test_co7_a_crashed_request_blocks_its_key_for_a_minute(
    app: Flask, program: Program, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("portal.api.repeats._end", lambda *_: None)
        program.sign_in(uma, headers=ONE)
    again = {"email": uma.email, "password": uma.password}
    assert program.post(LOGIN, again, headers=ONE).status_code == 409
    pass_time(app, timedelta(minutes=2))
    assert program.post(LOGIN, again, headers=ONE).status_code == 200


def test_co7_rt2_an_old_request_with_its_key_reveals_no_tokens(program: Program, uma: Person) -> None:
    first = program.sign_in(uma)["refresh_token"]
    second = program.refresh(first, headers=ONE).json
    assert second is not None
    third = program.next(second["refresh_token"])

    assert program.refresh(first, headers=ONE).status_code == 400
    assert program.refresh(third).status_code == 400


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "\u00e9"])
def test_co7_an_invalid_key_is_400(program: Program, key: str) -> None:
    answer = program.post(REFRESH, {"refresh_token": "t"}, headers={"Idempotency-Key": key})

    assert answer.status_code == 400
    assert answer.json is not None
    assert "Idempotency-Key" in answer.json["detail"]
