"""A client of the API, which checks every response against the OpenAPI description."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Flask
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from portal.api.description import document
from portal.features import PERMISSIONS
from tests.cast import Person

ROOT = "/api/v1"
LOGIN, REFRESH, LOGOUT, ME = (f"{ROOT}/auth/{name}" for name in ("login", "refresh", "logout", "me"))


class Program:
    """A client that stores no cookies, but sends those it is given."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def post(self, path: str, body: Any = None, **kwargs: Any) -> TestResponse:
        sent = {"json": body} if body is not None else {}
        return checked(self.client.post(path, **sent, **kwargs))

    def get(self, path: str, token: str | None = None, **kwargs: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return checked(self.client.get(path, headers={**headers, **kwargs.pop("headers", {})}, **kwargs))

    def sign_in(self, person: Person, **kwargs: Any) -> dict[str, Any]:
        answer = self.post(LOGIN, {"email": person.email, "password": person.password}, **kwargs)
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        return dict(answer.json)

    def refresh(self, token: str, **kwargs: Any) -> TestResponse:
        return self.post(REFRESH, {"refresh_token": token}, **kwargs)

    def next(self, token: str) -> str:
        answer = self.refresh(token)
        assert answer.status_code == 200, answer.text
        return str(answer.json["refresh_token"])  # type: ignore[index]

    def me(self, token: str | None) -> TestResponse:
        return self.get(ME, token)


@cache
def description() -> dict[str, Any]:
    return document("/api/v1", list(PERMISSIONS))


def checked(answer: TestResponse) -> TestResponse:
    """Check that a response is JSON, isn't cached, and matches the description."""
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert answer.mimetype in ("application/json", "application/problem+json") or answer.status_code == 204
    operation = (
        description()["paths"].get(answer.request.path.removeprefix(ROOT), {}).get(answer.request.method.lower())
    )
    documented = operation["responses"].get(str(answer.status_code)) if operation else None
    if operation and answer.status_code not in (404, 405):
        assert documented is not None, f"{answer.request.path} doesn't document {answer.status_code}"
    if answer.status_code >= 400:
        assert_valid(answer.json, {"$ref": "#/components/schemas/Problem"})
        assert answer.mimetype == "application/problem+json"
        assert answer.json["status"] == answer.status_code  # type: ignore[index]
    elif documented and "content" in documented:
        assert_valid(answer.json, documented["content"][answer.mimetype]["schema"])
    return answer


def assert_valid(value: Any, schema: dict[str, Any]) -> None:
    whole = {**schema, "components": description()["components"]}
    errors = [error.message for error in Draft202012Validator(whole).iter_errors(value)]
    assert errors == [], (value, errors)
