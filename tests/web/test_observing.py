"""Logs and metrics contain what operators need, and no secrets or personal data."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from portal.core.actor import Role
from portal.core.lines import Formatter, JsonFormatter
from tests.acting import portal_on
from tests.cast import Builder, Person, SignIn, page_client

TOKEN = "what-prometheus-says-0123456789-abcdef"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def observed(fresh_database: str) -> Iterator[Flask]:
    with portal_on(fresh_database, log="json", metrics_token=TOKEN, guesses_per_account=2) as app:
        yield app


@pytest.fixture
def ada_here(observed: Flask) -> Person:
    build = Builder(observed)
    return build.person("ada@example.com", role=Role.ADMIN, tenant=build.tenant("Acme"))


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    records = [one for one in caplog.records if one.name == "portal.requests"]
    return [json.loads(JsonFormatter().format(one)) for one in records]


def test_each_request_is_one_line_with_ids_and_time(
    observed: Flask, ada_here: Person, portal_log: pytest.LogCaptureFixture
) -> None:
    client = page_client(observed)
    SignIn(client)(ada_here)
    portal_log.clear()

    answer = client.get(f"/users/{ada_here.id}?q=secret")

    (line,) = lines(portal_log)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
    assert 0 < line.pop("ms") < 60_000
    assert line == {
        "level": "INFO",
        "message": "request",
        "request_id": answer.headers["X-Request-Id"],
        "actor_id": str(ada_here.id),
        "tenant_id": str(ada_here.organization_id),
        "method": "GET",
        "endpoint": "users.show",
        "path": f"/users/{ada_here.id}",
        "status": 200,
    }


def test_no_log_line_contains_an_email_a_password_a_cookie_or_a_search(
    observed: Flask, ada_here: Person, portal_log: pytest.LogCaptureFixture
) -> None:
    client = page_client(observed)
    SignIn(client)(ada_here)
    page_client(observed).send("/login", {"email": ada_here.email, "password": "not her password at all"})
    cookie = client.get_cookie("portal")
    assert cookie
    client.get("/users/?q=needle")
    client.get("/nowhere/some-token-of-a-email")
    client.get("/users/?q=%ff")

    output = json.dumps(lines(portal_log))
    assert len(lines(portal_log)) >= 6
    for secret in (ada_here.email, ada_here.password, "not her password", cookie.value, "needle", "some-token", TOKEN):
        assert secret not in output


def test_refused_and_failed_requests_are_logged_too(observed: Flask, portal_log: pytest.LogCaptureFixture) -> None:
    client = page_client(observed)
    for path in ("/users/", "/nowhere", "/users/?q=%ff", "/metrics"):
        client.get(path)

    assert [(line["endpoint"], line["status"]) for line in lines(portal_log)] == [
        ("users.index", 303), (None, 404), ("users.index", 400), ("health.metrics", 401),
    ]  # fmt: skip


def test_requests_are_only_logged_if_configured(fresh_database: str, portal_log: pytest.LogCaptureFixture) -> None:
    with portal_on(fresh_database) as app:
        app.test_client().get("/login")

    assert lines(portal_log) == []


def test_a_log_entry_is_one_line_whatever_it_contains() -> None:
    record = logging.LogRecord("portal", logging.INFO, "", 0, "two\nlines \x1b[31m", None, None)
    record.fields = {"path": "/a\nb", "nothing": None}

    as_text, as_json = Formatter().format(record), JsonFormatter().format(record)

    assert "path=/a\\nb" in as_text.replace("\n    ", "")
    assert "nothing" not in as_text
    assert "\x1b" not in as_text
    assert "\n" not in as_json
    assert json.loads(as_json)["message"] == "two\nlines \x1b[31m"


def metrics(app: Flask) -> dict[str, float]:
    answer = app.test_client().get("/metrics", headers=BEARER)
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    found = [line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in found}


def test_metrics_need_the_bearer_token(observed: Flask, fresh_database: str) -> None:
    client = observed.test_client()
    given = [
        {},
        {"Authorization": "Bearer no"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer é{TOKEN}"},
    ]

    assert [client.get("/metrics", headers=headers).status_code for headers in given] == [401] * len(given)
    assert client.get(f"/metrics?token={TOKEN}").status_code == 401
    assert client.get("/metrics", headers=BEARER).status_code == 200
    with portal_on(fresh_database) as app:
        assert app.test_client().get("/metrics", headers=BEARER).status_code == 404


def test_requests_are_counted_by_endpoint_and_status_with_their_time(observed: Flask) -> None:
    client = observed.test_client()
    for path in ("/login", "/login", "/users/", "/nowhere"):
        client.get(path)
    client.open("/nowhere", method="PROPFIND")

    found = metrics(observed)

    assert found['portal_requests_total{endpoint="auth.login",method="GET",status="200"}'] == 2
    assert found['portal_requests_total{endpoint="users.index",method="GET",status="303"}'] == 1
    assert found['portal_requests_total{endpoint="none",method="any",status="404"}'] == 2
    assert found['portal_request_seconds_count{endpoint="auth.login"}'] == 2
    assert found['portal_request_seconds_bucket{endpoint="auth.login",le="+Inf"}'] == 2
    assert found["portal_pool_in_use"] == 0


def test_sign_in_attempts_are_counted_by_outcome(observed: Flask, ada_here: Person) -> None:
    client = page_client(observed)
    SignIn(client)(ada_here)
    attacker = page_client(observed)
    for _ in range(4):
        attacker.send("/login", {"email": ada_here.email, "password": "wrong" * 4})

    found = {name: value for name, value in metrics(observed).items() if name.startswith("portal_sign_ins_total")}

    assert found['portal_sign_ins_total{outcome="begun"}'] == 1
    assert found['portal_sign_ins_total{outcome="failed"}'] > 0
    assert found['portal_sign_ins_total{outcome="rate_limited"}'] > 0
    assert sum(found.values()) == 5


def test_rejected_requests_are_counted_and_metrics_work_while_every_place_is_taken(fresh_database: str) -> None:
    with portal_on(fresh_database, metrics_token=TOKEN, concurrent_requests=1) as app, app.test_request_context():
        app.preprocess_request()  # takes the only place
        assert app.test_client().get("/login").status_code == 503
        assert metrics(app)["portal_sheds_total"] == 1


def test_metrics_contain_how_long_events_wait_to_be_sealed(observed: Flask) -> None:
    assert metrics(observed)["portal_seal_lag_seconds"] == 0
    Builder(observed).tenant("Acme", slug=f"acme-{uuid.uuid4().hex[:6]}")
    assert 0 < metrics(observed)["portal_seal_lag_seconds"] < 60

    observed.test_cli_runner().invoke(args=["activity", "seal"])

    assert metrics(observed)["portal_seal_lag_seconds"] == 0


def test_without_the_database_the_other_metrics_remain() -> None:
    with portal_on("postgresql+psycopg://nobody@127.0.0.1:1/none", metrics_token=TOKEN) as app:
        found = metrics(app)

    assert "portal_sheds_total" in found
    assert "portal_seal_lag_seconds" not in found
