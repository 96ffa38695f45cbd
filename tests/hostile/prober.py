"""Send hostile values exactly as they are, and check what every response must keep."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_from_bytes, urljoin, urlsplit

from flask import Flask
from markupsafe import escape
from werkzeug.test import TestResponse

from tests.access.visitor import Visitor
from tests.cast import Person
from tests.hostile.corpus import PRODUCT
from tests.pages import HTMX

LONGEST_ANSWER = 6.0  # seconds of this thread; what is slow in PostgreSQL runs into its statement timeout: a 5xx
FORM = "application/x-www-form-urlencoded"
INTERNALS = re.compile(
    r"Traceback \(most|psycopg|sqlalchemy|werkzeug|jinja2|site-packages|File \"/|\$2[aby]\$\d\d\$|"
    r"PostgreSQL \d|SQLSTATE|duplicate key|violates|invalid input syntax|portal_fold|refresh_tokens_"
)
MARKUP = re.compile(r"[<>\"']")


class Prober:
    """A visitor who sends what no form would, and checks every response."""

    def __init__(self, app: Flask, person: Person | None) -> None:
        self.visitor = Visitor(app, person)

    def get(self, path: str, values: Mapping[str, str] | None = None, *, htmx: bool = False, **kwargs: Any) -> str:
        """GET with these values as the query, and return the text."""
        given = kwargs.pop("headers", {})
        headers = {**(HTMX if htmx else {}), **given}
        sent = list((values or {}).values())
        return self.send(
            "GET", path, sent, query_string=encoded(values or {}).decode("ascii"), headers=headers, **kwargs
        ).text

    def post(self, path: str, values: Mapping[str, str], **kwargs: Any) -> TestResponse:
        """POST a form with these values and a valid CSRF token."""
        body = encoded({"csrf_token": self.visitor.token, **values})
        return self.send("POST", path, list(values.values()), data=body, content_type=FORM, **kwargs)

    def at_path(self, path: str, value: str, method: str = "GET") -> TestResponse:
        """Request a path as the server passes it on: its bytes, read as Latin-1."""
        raw = path.encode("utf-8", "surrogatepass").decode("latin-1")
        data = {"csrf_token": self.visitor.token} if method == "POST" else None
        return self.send(method, "/", [value], data=data, environ_overrides={"PATH_INFO": raw})

    def send(self, method: str, path: str, values: list[str], **kwargs: Any) -> TestResponse:
        begun = time.thread_time()
        answer = self.visitor.client.open(path, method=method, **kwargs)
        took = time.thread_time() - begun
        assert took < LONGEST_ANSWER, f"{took:.1f} s: {method} {path} {values!r:.200}"
        examine(answer, values)
        return answer


def examine(answer: TestResponse, values: list[str]) -> None:
    """Check that there is no 5xx, no evaluated or unescaped value, nothing internal and no injected header."""
    context = f"{answer.request.method} {answer.request.path} {answer.status_code} {values!r:.300}"
    assert answer.status_code < 500, context
    assert "Content-Security-Policy" in answer.headers, context
    for name in ("Location", "HX-Redirect", "HX-Push-Url", "HX-Replace-Url"):
        assert is_ours(answer.headers.get(name, "/")), context
    assert "X" not in answer.headers, context
    if answer.mimetype != "text/html":
        return
    text = answer.text
    plain = text
    for value in values:
        if len(value) > 3 and MARKUP.search(value):
            assert value not in text, context
        if value:
            plain = plain.replace(str(escape(value)), "")
    assert PRODUCT not in plain, context
    assert not INTERNALS.search(plain), context


def is_ours(target: str) -> bool:
    """Whether a browser that follows this target from http://localhost/ stays there."""
    read = "".join(target.split()).replace("\\", "/")
    return urlsplit(urljoin("http://localhost/", read)).netloc == "localhost"


def encoded(values: Mapping[str, str]) -> bytes:
    """A query or form body, in which lone surrogates become invalid UTF-8."""
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in values.items()).encode("ascii")


def _quoted(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="")
