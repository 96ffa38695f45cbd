"""A bare browser, signed in as anybody, and the meaning of its responses."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.cast import Person
from tests.pages import HTMX, Reader, fields_of

TOKEN = re.compile(r'name="csrf[-_]token" (?:type="hidden" )?(?:content|value)="([^"]+)"')
CHALLENGE = re.compile(r"challenge&#34;: &#34;([\w-]+)")

PAGE, CREATED, DONE, SIGN_IN = "page", "created", "redirected", "asked to sign in"
BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, INVALID = "400", "403", "404", "409", "422"
UNAUTHORIZED, UNSUPPORTED = "401", "415"


class Browser(Reader):
    """Read each response to its end, including files, and close it."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        return super().open(*args, **{"buffered": True, **kwargs})


class Visitor:
    """A browser without page checks, for thousands of requests."""

    def __init__(self, app: Flask, person: Person | None = None) -> None:
        self.client = Browser(app, app.response_class, use_cookies=True)
        self.token = self._token_at("/login")
        if person is not None:
            self.sign_in(person)

    def sign_in(self, person: Person) -> TestResponse:
        answer = self.post("/login", {"email": person.email, "password": person.password})
        assert answer.status_code == 303, answer.text[:500]
        self.token = self._token_at("/account/password")
        return answer

    def get(self, path: str, *, htmx: bool = False, **kwargs: Any) -> TestResponse:
        return self.client.get(path, headers=_headers(kwargs, htmx=htmx), **kwargs)

    def post(self, path: str, data: Any = None, *, htmx: bool = False, **kwargs: Any) -> TestResponse:
        """POST with this browser's CSRF token, unless the data contains one."""
        sent = {"csrf_token": self.token, **(data or {})}
        return self.client.post(path, data=sent, headers=_headers(kwargs, htmx=htmx), **kwargs)

    def confirm(self, path: str) -> TestResponse:
        """POST, and confirm the consequences that this shows."""
        return self.post(path, fields_of(self.post(path).text, path))

    def request(self, method: str, path: str, data: Any = None, *, htmx: bool = False) -> TestResponse:
        return self.post(path, data, htmx=htmx) if method == "POST" else self.get(path, htmx=htmx)

    def cookie(self, name: str = "portal") -> str:
        cookie = self.client.get_cookie(name)
        assert cookie is not None
        return cookie.value

    def _token_at(self, path: str) -> str:
        return token_in(self.client.get(path).text)


def _headers(kwargs: dict[str, Any], *, htmx: bool) -> dict[str, str]:
    given: dict[str, str] = kwargs.pop("headers", {})
    return {**(HTMX if htmx else {}), **given}


def token_in(text: str) -> str:
    """The CSRF token of a page."""
    found = TOKEN.search(text)
    assert found, text[:500]
    return html.unescape(found.group(1))


def outcome(answer: TestResponse) -> str:
    """The meaning of a response, plain or through htmx."""
    target = answer.headers.get("Location" if answer.status_code == 303 else "HX-Redirect")
    if answer.status_code in (200, 303) and target is not None:
        return SIGN_IN if target.startswith("/login?") or target == "/login" else DONE
    return {200: PAGE, 201: CREATED}.get(answer.status_code, str(answer.status_code))


def without_tokens(answer: TestResponse) -> tuple[int, list[tuple[str, str]], str]:
    """Status, headers and text, without what differs between responses: tokens, cookies and request ids."""
    names = ("Set-Cookie", "X-Request-Id", "Date", "Content-Length")
    headers = sorted((name, value) for name, value in answer.headers if name not in names)
    text = answer.text.replace(answer.headers.get("X-Request-Id", "\0"), "REQUEST")
    for found in {*TOKEN.findall(text), *CHALLENGE.findall(text)}:
        text = text.replace(found, "TOKEN")
    return answer.status_code, headers, text
