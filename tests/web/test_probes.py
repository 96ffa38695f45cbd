"""Health checks and metrics work under any host name, other pages don't."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.acting import portal_on

TOKEN = "a-token-for-metrics-0123456789-abcdefgh"
HOSTS = [
    "evil.example",
    "10.0.0.7:8000",
    "[2001:db8::7]",
    "portal_web",
    "",
    "a b",
    "ä",
    "x" * 300,
    "localhost@evil.example",
]


@pytest.mark.parametrize("url", [None, "https://portal.example.com"])
@pytest.mark.parametrize("host", HOSTS)
def test_probes_work_under_any_host_and_other_pages_do_not(fresh_database: str, host: str, url: str | None) -> None:
    with portal_on(fresh_database, public_url=url, metrics_token=TOKEN) as app:
        headers = {"Host": host, "Authorization": f"Bearer {TOKEN}"}

        def status_of(path: str, method: str = "GET") -> int:
            return app.test_client().open(path, method=method, headers=headers).status_code

        assert {path: status_of(path) for path in ("/healthz", "/readyz", "/metrics")} == dict.fromkeys(
            ("/healthz", "/readyz", "/metrics"), 200
        )
        assert status_of("/healthz", "HEAD") == 200
        assert [status_of(path) for path in ("/login", "/", "/healthz/", "/healthz/x", "/static/app.css")] == [400] * 5


def test_metrics_need_their_token_under_any_host(app: Flask) -> None:
    assert app.test_client().get("/metrics", headers={"Host": "evil.example"}).status_code == 404
