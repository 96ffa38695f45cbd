"""Everything stays below PORTAL_URL: its path, its port and its own cookies."""

from __future__ import annotations

import html
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from portal.core.actor import Role
from portal.isolation.visitor import Page
from portal.users.commands import users
from tests.access.visitor import Browser, Visitor, token_in
from tests.acting import acting, portal_on
from tests.cast import Builder, Person, Tenant
from tests.pages import HTMX

ORIGIN, ROOT = "https://example.com", "/portal"
URLS = re.compile(r"""\s(?:href|src|action|formaction|poster|hx-(?:get|post|put|delete|push-url))="([^"]*)\"""")
REDIRECTS = ("Location", "HX-Redirect", "HX-Location", "HX-Push-Url", "HX-Replace-Url", "Content-Location")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class BrowserBelowPath:
    """A browser that uses a portal below a path, through a proxy that keeps the path or strips it."""

    def __init__(self, app: Flask, person: Person | None = None, *, strips: bool = False) -> None:
        self.client, self.strips = Browser(app, app.response_class, use_cookies=True), strips
        if person is not None:
            sent = {"email": person.email, "password": person.password}
            assert self.post(f"{ROOT}/login", sent).headers["Location"].startswith(f"{ROOT}/")

    def open(self, path: str, method: str = "GET", *, htmx: bool = False, **kwargs: Any) -> TestResponse:
        headers = {"Referer": ORIGIN + path, **(HTMX if htmx else {}), **kwargs.pop("headers", {})}
        base = ORIGIN + ROOT if self.strips else ORIGIN
        sent = path.removeprefix(ROOT) if self.strips else path
        answer = self.client.open(sent, method=method, base_url=base, headers=headers, **kwargs)
        check(path, answer)
        return answer

    def post(self, path: str, data: dict[str, str], **kwargs: Any) -> TestResponse:
        token = data.get("csrf_token") or token_in(
            self.open(f"{ROOT}/login?x").text or self.open(f"{ROOT}/account/").text
        )
        return self.open(path, "POST", data={**data, "csrf_token": token}, **kwargs)


def check(path: str, answer: TestResponse) -> None:
    """Check that no URL and no cookie of a response leads out of the portal."""
    assert answer.status_code < 500, path
    found = [(name, value) for name, value in answer.headers if name in REDIRECTS]
    if answer.mimetype == "text/html" and answer.text:
        found += [("page", html.unescape(one)) for one in URLS.findall(answer.text)]
    for name, whole in found:
        target = whole.removeprefix(ORIGIN)
        assert target.startswith((f"{ROOT}/", "#", "?", "data:", "mailto:")) or target == "", (path, name, target)
        assert not target.startswith(f"{ROOT}{ROOT}"), (path, name, target)
    for cookie in answer.headers.getlist("Set-Cookie"):
        assert cookie.startswith("__Secure-portal+portal"), (path, cookie)
        assert {f"Path={ROOT}", "Secure", "HttpOnly"} <= set(cookie.split("; ")), (path, cookie)


def kind_of(address: str) -> str:
    """The URL without row ids and arguments. Three of each kind are checked."""
    return re.sub(r"/browser/[\w.]+", "/browser/*", UUID.sub("*", address.partition("?")[0]))


def crawl(browser: BrowserBelowPath, *begin: str) -> dict[str, str]:
    """Every page that can be reached by links, with its text."""
    seen, kinds, queue = dict[str, str](), Counter[str](), list(begin)
    while queue:
        path = queue.pop(0).partition("#")[0]
        kinds[kind_of(path)] += 1
        if path in seen or kinds[kind_of(path)] > 3:
            continue
        answer = browser.open(path)
        browser.open(path, htmx=True)
        seen[path] = answer.text if answer.mimetype == "text/html" else ""
        followed = answer.headers.get("Location")
        here = path.partition("?")[0]
        links = [here + link if link.startswith("?") else link for link in Page(seen[path]).links]
        queue += [link for link in (followed, *links) if link and link.startswith(f"{ROOT}/")]
    return seen


@pytest.fixture
def portal(fresh_database: str) -> Iterator[Flask]:
    with portal_on(fresh_database, public_url=ORIGIN + ROOT, trusted_proxies=1) as app:
        yield app


@pytest.fixture
def build(portal: Flask) -> Builder:
    return Builder(portal)


@pytest.fixture
def people(portal: Flask, build: Builder, acme: Tenant, ada: Person, uma: Person, root: Person) -> dict[str, Person]:
    """The cast, and more people than fit on one page."""
    for number in range(30):
        build.person(f"p{number}@example.com", tenant=acme)
    with acting(portal, ada):
        users.create({"email": "new@example.com", "role": Role.USER}, row_id=uuid.uuid4())
    return {"ada": ada, "uma": uma, "root": root}


@pytest.mark.parametrize(("who", "strips"), [("stranger", False), ("uma", True), ("ada", False), ("root", True)])
def test_every_page_redirect_and_cookie_stays_below_the_path(
    portal: Flask, people: dict[str, Person], who: str, *, strips: bool
) -> None:
    browser = BrowserBelowPath(portal, people.get(who), strips=strips)
    begin = [
        f"{ROOT}{path}" for path in ("/", "", "/users", "/login", "/nowhere", "/password/forgot", "/verify", "/x//y")
    ]

    pages = crawl(browser, *begin)

    assert len(pages) > {"stranger": 7, "uma": 12, "ada": 30, "root": 40}[who], sorted(pages)
    forms = {(kind_of(one.action or path), *sorted(one.fields)): (one, path) for path, text in pages.items()
             for one in Page(text).forms if one.method == "post"}  # fmt: skip
    for form, path in sorted(forms.values(), key=lambda one: one[0].action.endswith("/logout")):
        for htmx in (False, True):
            browser.open(form.action or path, "POST", data=form.fields, htmx=htmx)
    assert len(forms) > {"stranger": 2, "uma": 6, "ada": 12, "root": 15}[who], sorted(forms)


def test_signing_in_returns_to_the_page_but_never_leaves_the_portal(portal: Flask, uma: Person) -> None:
    browser = BrowserBelowPath(portal)
    redirect = browser.open(f"{ROOT}/account/devices?x=1")
    assert redirect.headers["Location"] == f"{ROOT}/login?next={ROOT}/account/devices?x%3D1"

    for target, expected in (
        (f"{ROOT}/account/devices?x=1", f"{ROOT}/account/devices?x=1"),
        ("/other/", f"{ROOT}/account/"),
        ("/", f"{ROOT}/account/"),
        (ROOT, f"{ROOT}/account/"),
        (f"{ROOT}al/", f"{ROOT}/account/"),
        (f"{ROOT}/../other", f"{ROOT}/account/"),
        (f"{ROOT}/%2e%2E/other", f"{ROOT}/account/"),
        (f"{ROOT}/users/..", f"{ROOT}/account/"),
        (f"{ROOT}/x/%2e", f"{ROOT}/account/"),
        (f"{ROOT}//other", f"{ROOT}/account/"),
        (f"{ORIGIN}{ROOT}/", f"{ROOT}/account/"),
    ):
        sent = {"email": uma.email, "password": uma.password, "next": target}
        assert BrowserBelowPath(portal).post(f"{ROOT}/login", sent).headers["Location"] == expected


def test_a_row_links_back_to_its_list_and_the_theme_switch_to_its_page(portal: Flask, ada: Person, uma: Person) -> None:
    browser = BrowserBelowPath(portal, ada)
    list_url = f"{ROOT}/users/?q=example&sort=name"

    page = browser.open(f"{ROOT}/users/{uma.id}", headers={"Referer": ORIGIN + list_url}).text
    switched = browser.open(
        f"{ROOT}/theme", "POST", data={"csrf_token": token_in(page), "theme": "dark", "next": list_url}
    )

    assert f'href="{html.escape(list_url)}"' in page
    assert switched.headers["Location"] == list_url
    assert 'data-bs-theme="dark"' in browser.open(list_url).text


@pytest.mark.parametrize("strips", [False, True], ids=["kept", "stripped"])
def test_programs_can_use_the_api_below_the_path(portal: Flask, uma: Person, *, strips: bool) -> None:
    browser = BrowserBelowPath(portal, strips=strips)
    document = json.loads(browser.open(f"{ROOT}/api/v1/openapi.json").text)
    (server,) = document["servers"]

    tokens = browser.open(f"{server['url']}/auth/login", "POST", json={"email": uma.email, "password": uma.password})
    bearer = {"Authorization": f"Bearer {tokens.json['access_token']}"}  # type: ignore[index]
    me = browser.open(f"{server['url']}/auth/me", headers=bearer)
    missing = browser.open(f"{ROOT}/api/nowhere")

    assert server == {"url": f"{ROOT}/api/v1"}
    assert (tokens.status_code, me.status_code) == (200, 200)
    assert (missing.status_code, missing.mimetype) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/healthz", f"{ROOT}/healthz", f"{ROOT}/static/css/layout.css", f"{ROOT}/login"])
def test_the_portal_also_responds_to_localhost(portal: Flask, path: str) -> None:
    assert Browser(portal, portal.response_class).get(path, base_url="http://127.0.0.1:8000").status_code == 200


def test_a_wrong_host_is_refused_except_for_health_checks(portal: Flask) -> None:
    client = Browser(portal, portal.response_class)
    for host in ("evil.example", "evil.example:443", "10.0.0.7:8000", "[2001:db8::7]", "exa_mple.com", ""):
        refused = client.get(f"{ROOT}/login", base_url=ORIGIN, headers={"Host": host})
        check("/login", refused)
        assert refused.status_code == 400
        assert client.get("/users", base_url=ORIGIN, headers={"Host": host}).status_code == 400
        for path in ("/healthz", "/readyz", f"{ROOT}/healthz"):
            assert client.get(path, base_url=ORIGIN, headers={"Host": host}).status_code == 200
        assert client.get("/metrics", base_url=ORIGIN, headers={"Host": host}).status_code == 404


@pytest.mark.parametrize("host", ["[2001:db8::1]:8443", "[2001:db8::1]", "[2001:DB8::1]"])
def test_an_ipv6_public_url_with_a_port_works_even_if_the_proxy_drops_the_port(fresh_database: str, host: str) -> None:
    origin = "https://[2001:db8::1]:8443"
    with portal_on(fresh_database, public_url=origin) as app:
        uma, client = Builder(app).person("uma@example.com"), Browser(app, app.response_class, use_cookies=True)
        headers = {"Host": host, "Referer": f"{origin}/login"}
        token = token_in(client.get("/login", base_url=origin, headers=headers).text)
        sent = {"email": uma.email, "password": uma.password, "csrf_token": token}
        answer = client.post("/login", data=sent, base_url=origin, headers=headers)

        assert (answer.status_code, answer.headers["Location"]) == (303, "/account/")
        assert {one.split("=")[0] for one in answer.headers.getlist("Set-Cookie")} == {
            "__Host-portal-8443", "__Host-portal-8443-device",
        }  # fmt: skip
        assert client.get("/login", base_url=origin, headers={"Host": "[2001:db8::2]"}).status_code == 400


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((None, "http://localhost:8001"), (None, "http://localhost:8002")),
        (("http://localhost:8001", "http://localhost:8001"), ("http://localhost:8002", "http://localhost:8002")),
        (("https://example.com/a", "https://example.com/a"), ("https://example.com/b", "https://example.com/b")),
        (("https://example.com/a", "https://example.com/a"), ("https://example.com", "https://example.com")),
        (("https://example.com/a", "https://example.com/a"), ("https://example.com/a/b", "https://example.com/a/b")),
        (("https://example.com:1", "https://example.com:1"), ("https://example.com:2", "https://example.com:2")),
    ],
)
def test_two_portals_on_one_host_do_not_sign_people_out_of_each_other(
    fresh_database: str, one: tuple[str | None, str], other: tuple[str | None, str]
) -> None:
    with (
        portal_on(fresh_database, public_url=one[0]) as first,
        portal_on(fresh_database, public_url=other[0], secret_key="another key of 32 characters or more") as second,
    ):
        uma, client = Builder(first).person("uma@example.com"), Browser(first, first.response_class, use_cookies=True)
        portals = ((first, one[1]), (second, other[1]))
        for app, base in portals:
            client.application, path = app, base.partition("example.com")[2]
            headers = {"Referer": f"{base}/login"}
            token = token_in(client.get("/login", base_url=base).text)
            sent = {"email": uma.email, "password": uma.password, "csrf_token": token, "next": path}
            assert client.post("/login", data=sent, base_url=base, headers=headers).status_code == 303
        for app, base in (*portals, *portals):
            client.application = app
            assert client.get("/account/", base_url=base).status_code == 200
            assert client.get("/nowhere", base_url=base).status_code == 404


def test_without_a_path_in_portal_url_no_prefix_is_stripped(app: Flask, ada: Person) -> None:
    visitor = Visitor(app, ada)

    assert visitor.get("/users/").status_code == 200
    assert visitor.get(f"{ROOT}/users/").status_code == 404
