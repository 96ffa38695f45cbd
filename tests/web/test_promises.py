"""What holds for all responses: CSRF protection, headers, reading without effects, no foreign URLs."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import select

from portal.auth import commands
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.core.history import Activity
from portal.features import RESOURCES
from tests.access.test_matrix import EXPECTED, address, has_row
from tests.access.visitor import Visitor, token_in
from tests.cast import Builder, Person, Tenant
from tests.database import app_for, disconnect

HISTORY = {"activity": "WHERE action <> 'refused'"}
TABLES = dict.fromkeys(("organizations", "users", "sessions", "refresh_tokens"), "") | HISTORY
OTHER_TOKENS = ("api.", "unsubscribing.")  # that of a program, and the one in the URL that was mailed
POSTS = [endpoint for endpoint, method in EXPECTED if method == "POST" and not endpoint.startswith(OTHER_TOKENS)]
GETS = [endpoint for endpoint, method in EXPECTED if method == "GET"]
ANYWHERE = re.compile(r"""(?:href|src|action|hx-get|hx-post|formaction)=["']?([^"'\s>]+)""")


def dump(app: Flask) -> list[Any]:
    with app.app_context(), acting_as(SYSTEM):
        connection = db.session.connection()
        return [
            [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table} {kept} ORDER BY id")]  # noqa: S608
            for table, kept in TABLES.items()
        ]


def paths(app: Flask, endpoints: list[str], person: Person, tenant: Tenant) -> list[str]:
    return [
        address(app, endpoint, _key(app, endpoint, person, tenant) if has_row(app, endpoint) else None)
        for endpoint in endpoints
    ]


def _key(app: Flask, endpoint: str, person: Person, tenant: Tenant) -> uuid.UUID:
    if endpoint == "activity.show":
        with app.app_context(), acting_as(SYSTEM):
            operations = select(Activity.operation_id).where(Activity.row_id == person.id).order_by(Activity.id)
            return db.session.scalars(operations).first() or person.id
    return person.id if endpoint.startswith("users.") or "person" in endpoint else tenant.id


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_cs1_every_post_without_a_valid_csrf_token_is_refused(
    app: Flask, acme: Tenant, ada: Person, uma: Person, root: Person, *, htmx: bool
) -> None:
    visitor, other = Visitor(app, root), Visitor(app, ada)
    before = dump(app)
    signed, _, signature = visitor.token.rpartition(".")
    tampered = f"{signed}.{signature[::-1]}"

    for path in paths(app, POSTS, uma, acme):
        for token in ("", "x", tampered, other.token):
            answer = visitor.post(path, {"csrf_token": token, "name": "Forged"}, htmx=htmx)
            assert answer.status_code == 400, (path, token)
        own = {"csrf_token": visitor.token, "name": "Forged"}
        misplaced: list[dict[str, Any]] = [
            {"json": own},
            {"query_string": own},
            {"data": urlencode(own), "content_type": "text/plain"},
            {"data": {"csrf_token": (BytesIO(visitor.token.encode()), "token.txt"), "name": "Forged"}},
        ]
        for kwargs in misplaced:
            assert visitor.client.post(path, **kwargs).status_code == 400, (path, kwargs)
        header = {"X-CSRFToken": other.token}
        assert visitor.client.post(path, headers=header, data={"name": "Forged"}).status_code == 400, path

    assert dump(app) == before


def test_cs1_the_csrf_token_can_be_sent_as_a_header(app: Flask, ada: Person, uma: Person) -> None:
    visitor = Visitor(app, ada)

    answer = visitor.client.post(f"/users/{uma.id}/unlock", headers={"X-CSRFToken": visitor.token})

    assert answer.status_code == 303


@pytest.fixture(autouse=True)
def session_use_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The use of a session is recorded once a minute, whatever is requested."""
    monkeypatch.setattr(commands, "USE_RECORDED_EVERY", timedelta(days=1))


@pytest.mark.parametrize("who", ["stranger", "uma", "ada", "root"])
def test_cs2_get_head_and_options_change_nothing(
    app: Flask, acme: Tenant, uma: Person, ada: Person, root: Person, gil: Person, who: str
) -> None:
    visitor = Visitor(app, {"stranger": None, "uma": uma, "ada": ada, "root": root}[who])
    before = dump(app)

    # Opening a table in the data browser and downloading a list are recorded as events, so they are left out.
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()} - {f"{name}.export" for name in RESOURCES}
    endpoints -= {"users.data", "account.data"}
    every = sorted(endpoint for endpoint in endpoints if not endpoint.startswith("data_browser."))
    for target in (uma, gil):
        for path in paths(app, every, target, acme):
            for query in ("", "?is_active=&csrf_token=x&name=Forged&first_name=Forged"):
                visitor.get(path + query)
                visitor.get(path + query, htmx=True)
                visitor.client.head(path + query)
                visitor.client.options(path + query)

    assert dump(app) == before


def responses(app: Flask, root: Person, uma: Person) -> list[Any]:
    visitor = Visitor(app, root)
    return [
        visitor.get("/users/"),
        visitor.get("/users/", htmx=True),
        visitor.get("/nowhere"),
        visitor.get("/nowhere", htmx=True),
        visitor.client.post("/users/new"),
        visitor.client.delete("/users/"),
        visitor.post("/users/new", {}),
        visitor.post(f"/users/{uma.id}/edit", {"email": uma.email, "role": "USER", "is_active": "true"}),
        visitor.post("/theme", {"theme": "dark"}),
        visitor.get("/healthz"),
        visitor.get("/readyz"),
        visitor.get("/static/css/layout.css"),
        visitor.get("/activity/export"),
        visitor.get("/static/none.css"),
        visitor.get("/users/", headers={"Host": "evil.example"}),
        Visitor(app).get("/users/"),
        Visitor(app, uma).get("/users/"),
    ]


def test_cs4_cs5_every_response_has_the_security_headers(app: Flask, root: Person, uma: Person) -> None:
    statuses = set()
    for answer in responses(app, root, uma):
        statuses.add(answer.status_code)
        policy = answer.headers["Content-Security-Policy"]
        for part in ("default-src 'self'", "script-src 'self'", "object-src 'none'", "base-uri 'none'",
                     "form-action 'self'", "frame-ancestors 'none'"):  # fmt: skip
            assert part in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Permissions-Policy" in answer.headers
        assert "Strict-Transport-Security" not in answer.headers
    assert {200, 303, 400, 403, 404, 405, 409, 422} <= statuses


def test_cs5_with_https_every_response_requires_https(fresh_database: str) -> None:
    app = app_for(fresh_database, public_url="https://portal.example.com")
    client = Visitor(app).client
    found = [
        client.get(path, base_url="https://portal.example.com").headers.get("Strict-Transport-Security", "")
        for path in ("/login", "/nowhere", "/users/", "/healthz", "/static/css/layout.css")
    ]
    disconnect(app)

    assert all(value.startswith("max-age=31536000") for value in found)


def test_cs6_pages_are_never_stored_and_vary_between_pages_and_fragments(app: Flask, root: Person, uma: Person) -> None:
    for answer in responses(app, root, uma):
        if "/static/" in answer.request.path:
            continue
        assert answer.headers["Cache-Control"] == "no-store", answer.request.path
        if answer.mimetype == "text/html":
            assert {"HX-Request", "Cookie"} <= set(answer.headers["Vary"].split(", ")), answer.request.path


def test_cs7_no_page_contains_a_foreign_url(app: Flask, acme: Tenant, root: Person, uma: Person) -> None:
    visitor = Visitor(app, root)

    for path in paths(app, GETS, uma, acme):
        answer = visitor.get(path)
        if answer.mimetype == "text/html":
            for target in ANYWHERE.findall(answer.text):
                assert target.startswith(("/", "#", "data:image/svg+xml")) and not target.startswith("//"), (
                    path,
                    target,
                )
        if answer.mimetype == "text/css":
            assert not re.search(r"url\(['\"]?(?:https?:)?//|@import", answer.text), path


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "localhost.evil.example"},
        {"Host": "localhost@evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "444", "X-Forwarded-Prefix": "/evil.example"},
        {"Forwarded": "host=evil.example;proto=https"},
        {"X-Original-URL": "//evil.example/", "X-Rewrite-URL": "//evil.example/"},
    ],
)
def test_cs8_a_foreign_host_reaches_neither_links_nor_redirects(
    app: Flask, ada: Person, headers: dict[str, str]
) -> None:
    visitor = Visitor(app, ada)

    for path in ("/users/", "/nowhere", "/login", "/users"):
        answer = visitor.get(path, headers=headers)
        assert answer.status_code in (200, 303, 308, 400, 404), path
        assert "evil.example" not in answer.text + str(answer.headers), path
        if "Host" in headers:
            assert answer.status_code == 400


def test_cs9_text_responses_have_a_type_and_a_charset(app: Flask, root: Person, uma: Person) -> None:
    for answer in responses(app, root, uma):
        if answer.text:
            assert answer.headers["Content-Type"] in (
                "text/html; charset=utf-8",
                "text/plain; charset=utf-8",
                "text/css; charset=utf-8",
                "text/csv; charset=utf-8",
            ), answer.request.path


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_cs10_no_other_site_can_read_responses(app: Flask, ada: Person, origin: str) -> None:
    visitor = Visitor(app, ada)
    preflight = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-csrftoken",
    }

    for answer in (visitor.get("/users/", headers=preflight), visitor.client.options("/users/new", headers=preflight)):
        assert not [name for name, _ in answer.headers if name.lower().startswith("access-control-")]


def test_co2_submitting_a_form_twice_creates_one_person(app: Flask, ada: Person, build: Builder) -> None:
    visitor = Visitor(app, ada)
    page = visitor.get("/users/new").text
    row = re.search(r'name="row"[^>]*value="([^"]+)"', page)
    assert row is not None
    sent = {"email": "once@example.com", "role": "USER", "is_active": "true", "row": row.group(1)}

    first = visitor.post("/users/new", sent)
    repeated = [visitor.post("/users/new", sent) for _ in range(3)]

    assert first.status_code == 303
    assert {answer.headers["Location"] for answer in repeated} == {first.headers["Location"]}
    assert all(answer.status_code == 303 for answer in repeated)


def test_co2_submitting_a_form_twice_creates_one_organization(app: Flask, root: Person) -> None:
    visitor = Visitor(app, root)
    row = re.search(r'name="row"[^>]*value="([^"]+)"', visitor.get("/organizations/new").text)
    assert row is not None
    sent = {"name": "Once", "slug": "once", "row": row.group(1)}

    repeated = [visitor.post("/organizations/new", sent) for _ in range(3)]

    assert {answer.headers["Location"] for answer in repeated} == {repeated[0].headers["Location"]}


def test_co2_a_row_id_signed_for_somebody_else_is_not_accepted(
    app: Flask, ada: Person, root: Person, uma: Person
) -> None:
    row = re.search(r'name="row"[^>]*value="([^"]+)"', Visitor(app, root).get("/users/new").text)
    assert row is not None
    visitor = Visitor(app, ada)

    for forged in (row.group(1), str(uma.id), f'"{uma.id}"', str(uuid.uuid4())):
        email = f"{uuid.uuid4().hex}@example.com"
        answer = visitor.post("/users/new", {"email": email, "role": "USER", "is_active": "true", "row": forged})
        assert answer.status_code == 303
        assert str(uma.id) not in answer.headers["Location"]


def test_every_page_has_a_csrf_token(app: Flask, ada: Person) -> None:
    assert token_in(Visitor(app, ada).get("/").text)
