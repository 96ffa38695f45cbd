"""Error pages explain what happened and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from portal.core.errors import Busy, Conflict, Missing, NotAllowed
from portal.web.error_pages import page
from portal.web.guards import public
from tests.access.visitor import Visitor
from tests.cast import Person, SignIn
from tests.database import app_for, disconnect
from tests.hostile.prober import INTERNALS
from tests.pages import HTMX, PageClient

RAISED: dict[str, BaseException] = {
    "missing": Missing(),
    "forbidden": NotAllowed(),
    "conflict": Conflict(None, "Somebody else has it."),
    "busy": Busy(),
    "away": OperationalError("SELECT secret FROM users", {}, Exception("connection to 10.0.0.1 refused")),
    "bug": RuntimeError("a secret detail in /srv/portal/file.py"),
}
STATUSES = {"missing": 404, "forbidden": 403, "conflict": 409, "busy": 503, "away": 503, "bug": 500}


@pytest.fixture
def failing_app(fresh_database: str) -> Iterator[Flask]:
    """An application with pages that fail in every way, with error handling as in production."""
    app = app_for(fresh_database)
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @public
    def fail(kind: str) -> Any:
        if kind in RAISED:
            raise RAISED[kind]
        return page(int(kind))

    app.add_url_rule("/fail/<kind>", "fail", fail)
    app.test_client_class = PageClient
    yield app
    disconnect(app)


@pytest.mark.parametrize("kind", [*RAISED, "400", "403", "404", "405", "409", "413", "422", "429", "500", "503"])
def test_in14_every_error_is_a_page_with_a_request_id_and_nothing_internal(failing_app: Flask, kind: str) -> None:
    client = failing_app.test_client()

    whole = client.get(f"/fail/{kind}")
    part = client.get(f"/fail/{kind}", headers=HTMX)

    expected = STATUSES.get(kind) or int(kind)
    assert (whole.status_code, part.status_code) == (expected, expected)
    assert re.search(r"<h1>[^<]+</h1>", whole.text)
    assert "portal" in whole.text.lower()
    assert whole.headers["X-Request-Id"] in whole.text
    assert (part.headers["HX-Retarget"], part.headers["HX-Reswap"]) == ("#toasts", "beforeend")
    assert part.text.lstrip().startswith('<div class="note note-error">')
    for answer in (whole, part):
        assert not INTERNALS.search(answer.text)
        for secret in ("secret", "10.0.0.1", "file.py", "RuntimeError", "OperationalError"):
            assert secret not in answer.text
        assert ("Retry-After" in answer.headers) is (expected == 503)
        assert "Content-Security-Policy" in answer.headers


def test_real_requests_get_the_same_error_pages(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    for status, answer in {
        400: client.post("/users/new"),
        403: client.get("/organizations/"),
        404: client.get("/nowhere"),
        405: client.delete("/users/"),
        413: client.post("/users/new", data={"first_name": "x" * 2_000_000}),
    }.items():
        assert answer.status_code == status
        assert answer.headers["X-Request-Id"] in answer.text
        assert 'aria-label="Main"' in answer.text, status
    assert client.delete("/users/").headers["Allow"]


def test_anonymous_visitors_get_error_pages_without_the_sidebar(client: PageClient) -> None:
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert "Go to the sign-in" in answer.text


def test_htmx_gets_redirects_as_headers(app: Flask, uma: Person) -> None:
    anonymous = Visitor(app).get("/users/", htmx=True)

    assert (anonymous.status_code, anonymous.text) == (200, "")
    assert anonymous.headers["HX-Redirect"].startswith("/login")
