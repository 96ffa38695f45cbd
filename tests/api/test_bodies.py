"""Invalid requests are refused plainly, and every error is a problem document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from tests.acting import portal_on
from tests.api.calling import LOGIN, LOGOUT, ME, REFRESH, ROOT, Program
from tests.cast import Person

WRITES = (LOGIN, REFRESH, LOGOUT)
GOOD = {
    LOGIN: {"email": "a@example.com", "password": "b"},
    **{one: {"refresh_token": "t"} for one in (REFRESH, LOGOUT)},
}
HOSTILE: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "deep": (b"[" * 7_000 + b"]" * 7_000, 400),
    "deep objects": (b'{"a":' * 3_000, 400),
    "NaN": (b'{"refresh_token": NaN}', 400),
    "Infinity": (b'{"email": -Infinity}', 400),
    "duplicate member": (b'{"refresh_token": "a", "refresh_token": "b"}', 400),
    "a huge number": (b'{"refresh_token": ' + b"9" * 5_000 + b"}", 400),
    "a huge exponent": (b'{"refresh_token": 1e999999}', 422),
    "broken UTF-8": (b'{"refresh_token": "\xff\xfe"}', 400),
    "UTF-16": ('{"refresh_token": "a"}'.encode("utf-16"), 400),
    "cut": (b'{"refresh_token": "a', 400),
    "a raw control character": (b'{"refresh_token": "\x00"}', 400),
    "a list": (b"[]", 422),
    "a string": (b'"refresh_token"', 422),
    "null": (b"null", 422),
    "no member": (b"{}", 422),
    "large": (b'{"refresh_token": "' + b"x" * 20_000 + b'"}', 413),
}
WRONG: dict[str, Any] = {
    "a number": 7, "null": None, "a list": ["a"], "an object": {"$ne": 1}, "true": True, "empty": "",
    "NUL": "a\x00b", "half a pair": "\ud800", "long": "x" * 5_000,
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_in7_a_hostile_body_is_refused(program: Program, kind: str) -> None:
    body, status = HOSTILE[kind]

    for path in WRITES:
        answer = program.post(path, data=body, content_type="application/json")
        assert answer.status_code == status, path
        assert "refresh_token_" not in answer.text


@pytest.mark.parametrize("kind", WRONG)
def test_in7_an_invalid_member_is_named(program: Program, kind: str) -> None:
    for path in WRITES:
        for name in GOOD[path]:
            answer = program.post(
                path, data=json.dumps({**GOOD[path], name: WRONG[kind]}), content_type="application/json"
            )
            assert answer.status_code == 422
            assert answer.json is not None
            assert [error["pointer"] for error in answer.json["errors"]] == [f"#/{name}"]


def test_in7_unknown_members_are_refused(program: Program) -> None:
    for path in WRITES:
        assert program.post(path, {**GOOD[path], "role": "SUPER_ADMIN"}).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/", 404),
        ("GET", "/api", 404),
        ("GET", "/api/v1/nowhere", 404),
        ("GET", f"{ROOT}//auth/me", 404),
        ("GET", f"{ME}/", 404),
        ("GET", LOGIN, 405),
        ("DELETE", ME, 405),
        ("OPTIONS", ME, 405),
        ("GET", ME, 401),
        ("GET", f"{ME}?a=%00", 400),
    ],
)
def test_every_error_is_a_problem_document_whatever_is_accepted(
    program: Program, method: str, path: str, status: int
) -> None:
    for accept in ("text/html", "application/json", "*/*"):
        answer = program.client.open(path, method=method, headers={"Accept": accept, "HX-Request": "true"})
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
        assert answer.json is not None
        assert (answer.json["status"], answer.json["request_id"]) == (status, answer.headers["X-Request-Id"])


def test_a_wrong_host_an_oversized_body_and_a_wrong_type_are_problem_documents(program: Program) -> None:
    for answer, status in (
        (program.client.get(ME, headers={"Host": "evil.example"}), 400),
        (program.client.post(LOGIN, data=b"x" * 2_000_000, content_type="application/json"), 413),
        (program.client.post(LOGIN, data=b"a=b", content_type="text/plain"), 415),
    ):
        assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def test_errors_and_a_missing_database_reveal_nothing_internal(
    app: Flask, program: Program, uma: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(app, "testing", False)
    monkeypatch.setattr("portal.api.commands.refresh", fails)
    error = program.refresh("t")

    def is_unreachable(*_: object, **__: object) -> None:
        raise OperationalError("secret", None, Exception("secret"))

    monkeypatch.setattr("portal.api.commands.refresh", is_unreachable)
    unreachable = program.refresh("t")

    assert (error.status_code, unreachable.status_code) == (500, 503)
    assert "secret" not in error.text + unreachable.text
    assert int(unreachable.headers["Retry-After"]) > 0


def test_re4_requests_above_the_limit_get_503(fresh_database: str) -> None:
    with portal_on(fresh_database, concurrent_requests=0) as app:
        answer = Program(app).refresh("t")

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
