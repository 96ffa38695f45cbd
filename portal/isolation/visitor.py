"""The self-test's browser. It parses pages, and records which arguments routes read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, ClassVar
from urllib.parse import quote_plus, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.test import TestResponse

from portal.isolation.stage import TEST_NETWORK
from portal.web.given import current_settings

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
SIGNED = re.compile(r"[\w.-]{60,}")  # tokens of forms, which always differ
CSRF = re.compile(r'name="csrf-token" content="([^"]+)"')
TEXT_HEADERS = ("Location", "HX-Redirect", "HX-Push-Url", "Content-Disposition", "ETag")


class RecordingArguments(ImmutableMultiDict[str, str]):
    """Arguments that record which of them a route reads, so that the walk can send them."""

    asked: ClassVar[set[str]] = set()

    def __getitem__(self, key: str) -> str:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)

    def getlist(self, key: str, *args: Any) -> Any:
        self.asked.add(key)
        return super().getlist(key, *args)


@contextmanager
def recording_arguments(app: Flask) -> Iterator[None]:
    """Record the arguments that routes read, for all requests of the block."""
    plain = app.request_class
    app.request_class = type("RecordingRequest", (plain,), {"parameter_storage_class": RecordingArguments})
    try:
        yield
    finally:
        app.request_class = plain


@dataclass(frozen=True)
class Answer:
    """A response: the status and all readable text, including that of redirects."""

    status: int
    text: str
    asked: frozenset[str]

    def without(self, *sent: str) -> tuple[int, str]:
        """The response without the sent values and without parts that always differ."""
        text = self.text
        for one in sent:
            text = text.replace(one, "").replace(quote_plus(one), "")
        return self.status, SIGNED.sub("", text)


@dataclass
class Form:
    """A form: the fields that a browser would send, and the choices of each field."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)


class Page(HTMLParser):
    """The links and forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "form":
            self.forms.append(Form(given.get("method", "get").lower(), given.get("action", "")))
        elif self.forms:
            self._read_control(tag, given)

    def _read_control(self, tag: str, given: dict[str, str]) -> None:
        form, name, value = self.forms[-1], given.get("name", ""), given.get("value", "")
        if tag == "select":
            self._select = name
        elif tag == "option":
            form.choices.setdefault(self._select, []).append(value)
            if "selected" in given or self._select not in form.fields:
                form.fields[self._select] = value
        elif tag in ("input", "textarea") and name and (given.get("type") != "checkbox" or "checked" in given):
            form.fields[name] = value


class Visitor:
    """The ADMIN's browser. Each request starts with the session's original cookie."""

    def __init__(self, app: Flask) -> None:
        settings = current_settings.of(app)
        parts = urlsplit(settings.public_url or "http://localhost")
        self.app = app
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.host = parts.hostname or ""
        self.root = settings.root
        self.cookie = ""
        self.token = ""

    def sign_in(self, email: str, password: str) -> Answer:
        """Sign in with the form. Returns the response with the first page."""
        client = FlaskClient(self.app, self.app.response_class)
        path = self.app.url_map.bind(self.host, self.root or "/").build("auth.login")
        token = _token(self._open(client, "GET", path).text)
        first = self._open(client, "POST", path, data={"csrf_token": token, "email": email, "password": password})
        cookie = client.get_cookie(self._cookie_name, domain=self.host, path=self.root or "/")
        self.cookie, self.token = cookie.value if cookie else "", _token(first.text)
        return first

    def get(self, path: str, *, htmx: bool = False) -> Answer:
        return self._open(self._client(), "GET", path, headers=HTMX if htmx else {})

    def post(self, path: str, fields: dict[str, str], *, htmx: bool = False) -> Answer:
        sent = {**fields, "csrf_token": self.token}
        return self._open(self._client(), "POST", path, data=sent, headers=HTMX if htmx else {})

    @property
    def _cookie_name(self) -> str:
        settings = current_settings.of(self.app)
        return settings.cookie_name(self.base)

    def _client(self) -> FlaskClient:
        client = FlaskClient(self.app, self.app.response_class)
        client.set_cookie(self._cookie_name, self.cookie, domain=self.host)
        return client

    def _open(self, client: FlaskClient, method: str, path: str, **kwargs: Any) -> Answer:
        """Send a request and follow a redirect, because the result is shown there."""
        kwargs["headers"] = {"Referer": self.base, **kwargs.get("headers", {})}
        client.environ_base["REMOTE_ADDR"] = TEST_NETWORK
        always: dict[str, Any] = {"base_url": self.base, "buffered": True}
        RecordingArguments.asked.clear()
        first = client.open(path, method=method, **kwargs, **always)
        asked = frozenset(RecordingArguments.asked - {"csrf_token"})
        texts = [_readable(first)]
        if "Location" in first.headers:
            texts.append(_readable(client.open(first.headers["Location"], **always)))
        return Answer(first.status_code, "\n".join(texts), asked)


def _readable(answer: TestResponse) -> str:
    """Headers with text, and the body, without the request id and optional line breaks."""
    headers = [f"{name}: {value}" for name, value in answer.headers if name in TEXT_HEADERS]
    return "\n".join((*headers, answer.text.replace(answer.headers.get("X-Request-Id", "\0"), "").replace("<wbr>", "")))


def _token(text: str) -> str:
    found = CSRF.search(text)
    return found.group(1) if found else ""
