"""The portal behind nginx, configured as in docs/operating.md: slow visitors, cookies, addresses, request bodies."""

from __future__ import annotations

import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select

from portal.core.db import db
from portal.tokens.models import Session
from tests.acting import acting, portal_on
from tests.cast import Person
from tests.proxy.conftest import HOST, PATH, URL, Proxied
from tests.reliability.browser import Answer, Browser
from tests.reliability.test_database_trouble import root_on
from tests.waiting import until

SLOW, VISITS = 200, 100
NOISE = 5.0  # seconds by which other load on this machine may delay visits; blocked ones would take much longer
HEAD = f"GET /login HTTP/1.1\r\nHost: {HOST}\r\nX-Long: {'x' * 1000}\r\n\r\n".encode()
BODY = f"POST /login HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n".encode()
EVENTS = """
INSERT INTO activity (action, operation_id, agent, address)
SELECT 'sign_in_failed', gen_random_uuid(), repeat('agent ', 500), '192.0.2.1' FROM generate_series(1, 5000)
"""


@pytest.fixture(scope="module")
def root(database: str) -> Person:
    return root_on(database)


def signed_in(browser: Browser, person: Person) -> Browser:
    answer = browser.post("/login", {"email": person.email, "password": person.password})
    assert answer.status == 303, answer.text
    return browser


@contextmanager
def slow_visitors(proxied: Proxied) -> Iterator[None]:
    """Half of them send the request line one byte a second, the others everything but the body of a form."""
    opened = [_slow(proxied, number) for number in range(SLOW)]
    stopped, all_have_sent = threading.Event(), threading.Event()

    def keep_sending() -> None:
        for at in range(len(HEAD)):
            for number, connection in enumerate(opened):
                if stopped.wait(1 / SLOW):
                    return
                connection.sendall(HEAD[at : at + 1] if number % 2 else b"a")
            all_have_sent.set()

    thread = threading.Thread(target=keep_sending)
    thread.start()
    assert all_have_sent.wait(60)
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        for connection in opened:
            connection.close()


def _slow(proxied: Proxied, number: int) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", proxied.port), timeout=60)
    connection = proxied.trusted.wrap_socket(plain, server_hostname=HOST)
    if number % 2 == 0:
        connection.sendall(BODY + b"Content-Length: 1000\r\n\r\n")
    return connection


def durations(browser: Browser) -> list[float]:
    """How long visits take, one after the other."""
    seconds = []
    for _ in range(VISITS):
        began = time.monotonic()
        assert browser.get("/users/").status == 200
        seconds.append(time.monotonic() - began)
    return seconds


def percentile(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def test_re5_two_hundred_slow_visitors_do_not_slow_others_down(proxied: Proxied, root: Person) -> None:
    browser = signed_in(proxied.browser(), root)
    undisturbed = percentile(durations(browser))

    with slow_visitors(proxied):
        disturbed = percentile(durations(browser))

    assert disturbed < max(2 * undisturbed, NOISE), (undisturbed, disturbed)


def test_re5_an_export_that_nobody_reads_occupies_no_place_in_the_portal(
    proxied: Proxied, root: Person, database: str
) -> None:
    with portal_on(database) as app, app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql(EVENTS)
    browser = signed_in(proxied.browser(), root)
    with unread_export(proxied, browser):
        answer = until_ready(browser, "/activity/export")

    assert answer.status == 200, "a person gets one export at a time, and the first is still running"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert len(answer.text) > 14_000_000
    assert answer.text.splitlines()[-1].endswith('"')


@contextmanager
def unread_export(proxied: Proxied, browser: Browser) -> Iterator[None]:
    """Request an export and read nothing of it."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", proxied.port))
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    with proxied.trusted.wrap_socket(plain, server_hostname=HOST) as connection:
        connection.sendall(f"GET /activity/export HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookies}\r\n\r\n".encode())
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        yield


def until_ready(browser: Browser, path: str) -> Answer:
    """Repeat the request while it is refused, for a limited time."""
    answers: list[Answer] = []

    def is_ready() -> bool:
        answers.append(browser.get(path))
        return answers[-1].status != 409

    until(is_ready, "the request is still refused", every=0.2)
    return answers[-1]


def test_se8_cookies_are_only_for_https_and_this_host(proxied: Proxied, root: Person) -> None:
    browser = proxied.browser(**{"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"})
    page = browser.get("/login")
    signed_in(browser, root)

    assert set(browser.cookies) == {"__Host-portal", "__Host-portal-device"}
    for cookie in page.headers.get_all("Set-Cookie", []):
        assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "Domain" not in cookie
    assert page.headers["Strict-Transport-Security"]
    assert "evil.example" not in page.text + str(page.headers)


def test_below_a_path_pages_redirects_cookies_and_the_api_work_through_the_proxy(
    proxied_below_path: Proxied, root: Person
) -> None:
    browser = proxied_below_path.browser()

    begun = browser.post(f"{PATH}/login", {"email": root.email, "password": root.password})
    pages = [browser.get(f"{PATH}{path}") for path in ("/", "/users/?q=a&sort=name", "/browser/users", "/nowhere")]
    found = re.findall(r'(?:href|src|action|hx-get)="([^"#?][^"]*)', " ".join(page.text for page in pages))

    assert (begun.status, begun.headers["Location"]) == (303, f"{PATH}/")
    assert [page.status for page in pages] == [200, 200, 200, 404]
    assert len(found) > 50
    assert not [one for one in found if not one.startswith((f"{PATH}/", "data:"))]
    assert set(browser.cookies) == {"__Secure-portal+portal", "__Secure-portal+portal-device"}
    assert browser.get(found[0]).status == 200
    assert browser.get(f"{PATH}/users").headers["Location"] == f"{URL}{PATH}/users/"
    assert f'"servers":[{{"url":"{PATH}/api/v1"}}]' in browser.get(f"{PATH}/api/v1/openapi.json").text.replace(" ", "")
    assert browser.get(PATH).status == 301
    assert browser.get("/users/").status == 404


def test_plain_http_redirects_to_https(proxied: Proxied) -> None:
    answer = Browser(f"http://127.0.0.1:{proxied.plain_port}", headers={"Host": HOST}).get("/users/?q=ada")

    assert (answer.status, answer.headers["Location"]) == (301, f"{URL}/users/?q=ada")


def test_au6_the_recorded_address_is_the_visitors_real_one_despite_forged_headers(
    proxied: Proxied, root: Person, database: str
) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    signed_in(proxied.browser(source="127.0.0.7", **forged), root)

    with portal_on(database) as app, acting(app):
        addresses = set(db.session.scalars(select(Session.address)))
    assert "127.0.0.7" in addresses
    assert "203.0.113.9" not in addresses


def test_in7_a_body_that_is_too_large_is_refused_by_nginx_or_the_portal(proxied: Proxied) -> None:
    assert {_status(proxied, 1_500_000, b"a" * 1_500_000) for _ in range(20)} == {413}
    assert _status(proxied, 70_000_000, b"") == 413  # before the body is sent


def _status(proxied: Proxied, size: int, body: bytes) -> int:
    plain = socket.create_connection(("127.0.0.1", proxied.port), timeout=60)
    with proxied.trusted.wrap_socket(plain, server_hostname=HOST) as connection:
        connection.sendall(BODY + f"Content-Length: {size}\r\n\r\n".encode() + body)
        return int(connection.recv(100).split()[1])
