"""A minimal browser for portals in other processes: cookies and forms, but no redirects."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import urlencode, urlsplit

from tests.pages import fields_of


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    text: str


@dataclass
class Browser:
    """Open a connection for each request, as many different people would."""

    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    timeout: float = 60
    headers: dict[str, str] = field(default_factory=dict)
    trusted: ssl.SSLContext | None = None  # for https
    source: tuple[str, int] | None = None  # the client's address

    def get(self, path: str) -> Answer:
        return self._send("GET", path)

    def post(self, path: str, values: Mapping[str, str]) -> Answer:
        """Fill in the form on the same path and submit it."""
        page = self.get(path)
        if page.status != 200:
            return page
        return self._send("POST", path, urlencode({**fields_of(page.text), **values}))

    def _send(self, method: str, path: str, body: str | None = None) -> Answer:
        connection = self._connection()
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **self.headers}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            self._keep(response.headers)
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        place = urlsplit(self.address).netloc
        if self.trusted is None:
            return http.client.HTTPConnection(place, timeout=self.timeout, source_address=self.source)
        return http.client.HTTPSConnection(
            place, timeout=self.timeout, source_address=self.source, context=self.trusted
        )

    def _keep(self, headers: Message) -> None:
        for cookie in headers.get_all("Set-Cookie", []):
            name, _, value = cookie.split(";", 1)[0].partition("=")
            self.cookies[name] = value
