"""Liveness and readiness."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from portal.core.db import db
from tests.acting import portal_on
from tests.database import Server

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/none"


@pytest.fixture
def unmigrated(database_server: Server) -> Iterator[str]:
    yield database_server.create("unmigrated_health")
    database_server.drop("unmigrated_health")


def responses(app: Flask) -> dict[str, tuple[int, str]]:
    client = app.test_client()
    found = {path: client.get(path) for path in ("/healthz", "/readyz")}
    return {path: (response.status_code, response.text) for path, response in found.items()}


def test_re9_with_its_database_and_migrations_the_portal_is_ready(fresh_database: str) -> None:
    with portal_on(fresh_database) as app:
        assert responses(app) == {"/healthz": (200, "alive\n"), "/readyz": (200, "ready\n")}


def test_re9_without_a_database_the_portal_is_alive_but_not_ready() -> None:
    with portal_on(NOWHERE) as app:
        assert responses(app) == {"/healthz": (200, "alive\n"), "/readyz": (503, "the database is unavailable\n")}


def test_re9_without_migrations_the_portal_is_not_ready(unmigrated: str) -> None:
    with portal_on(unmigrated) as app:
        assert responses(app)["/readyz"] == (503, "migrations are pending\n")


def test_re9_with_an_unknown_migration_the_portal_is_not_ready(fresh_database: str) -> None:
    with portal_on(fresh_database) as app:
        with app.app_context(), db.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

        assert responses(app)["/readyz"] == (503, "migrations are pending\n")


def test_re9_liveness_never_touches_the_database(fresh_database: str) -> None:
    with portal_on(fresh_database) as app:
        client = app.test_client()
        for _ in range(5):
            client.get("/healthz")

        with app.app_context():
            assert db.engine.pool.checkedin() == db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_health_responses_reveal_no_versions_or_paths(fresh_database: str) -> None:
    with portal_on(fresh_database) as app:
        for path in ("/healthz", "/readyz"):
            response = app.test_client().get(path)
            assert len(response.text) < 40
            assert response.mimetype == "text/plain"
            assert "Set-Cookie" not in response.headers
