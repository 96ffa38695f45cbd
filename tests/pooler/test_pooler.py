"""The portal behind a PgBouncer that gives each transaction a different connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import text

from portal import create_app
from portal.config import Settings, load_settings
from portal.core.actor import SYSTEM, Role
from portal.core.db import acting_as, command, db
from portal.mail.commands import send_later
from portal.mail.queue import queue_of, work
from tests.acting import acting
from tests.cast import Builder, page_client
from tests.database import SECRET_KEY, Server, disconnect
from tests.pages import PageClient

ROUNDS = 20


def settings(url: str, **environment: str) -> Settings:
    return load_settings({"DATABASE_URL": url, "SECRET_KEY": SECRET_KEY, **environment})


def portal(url: str, **environment: str) -> Flask:
    app = create_app(settings(url, **environment))
    app.testing = True
    app.test_client_class = PageClient
    return app


@pytest.fixture
def pooled_app(pooled_url: str) -> Iterator[Flask]:
    app = portal(pooled_url)
    yield app
    disconnect(app)


def test_the_seeds_url_sets_the_number_of_connections(pooled_url: str) -> None:
    found = settings(pooled_url)

    assert (found.pool_size, found.pools_transactions) == (10, True)
    assert "?" not in (found.database_url or "")


def test_ac15_tenants_that_share_connections_only_see_their_own_people(pooled_app: Flask) -> None:
    build = Builder(pooled_app)
    admins = []
    for name in ("Acme", "Birch"):
        tenant = build.tenant(name)
        admins.append(build.person(f"admin@{name.lower()}.example.com", role=Role.ADMIN, tenant=tenant))
    clients = [page_client(pooled_app, admin) for admin in admins]

    with ThreadPoolExecutor(2) as threads:
        pages = list(threads.map(lambda client: [client.get("/users/").text for _ in range(ROUNDS)], clients))

    for own, other, seen in zip(("acme", "birch"), ("birch", "acme"), pages, strict=True):
        assert all(f"@{own}.example.com" in page and f"@{other}.example.com" not in page for page in seen)


def test_ac15_the_tenant_role_and_the_actor_end_with_each_transaction(pooled_app: Flask) -> None:
    build = Builder(pooled_app)
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=build.tenant("Acme"))
    current = text(
        "SELECT current_user, current_setting('portal.actor_id', true), current_setting('statement_timeout')"
    )

    with acting(pooled_app, ada):
        as_ada = db.session.execute(current).one()
    with pooled_app.app_context(), acting_as(SYSTEM):
        as_system = db.session.execute(current).one()

    assert as_ada == ("portal_tenant", str(ada.id), "10s")
    assert as_system[0] != "portal_tenant"
    assert (as_system[1] or "", as_system[2]) == ("", "10s")


def test_ac17_the_data_browser_uses_its_role_only_for_its_own_transaction(pooled_app: Flask) -> None:
    client = page_client(pooled_app, Builder(pooled_app).person("pooled.root@example.com", role=Role.SUPER_ADMIN))

    rows = client.get("/browser/users")
    read = client.send("/browser/sql", {"query": "SELECT current_user, count(email) > 0 AS read FROM users"})
    refused = client.send("/browser/sql", {"query": "SELECT password FROM users"})

    assert (rows.status_code, read.status_code, refused.status_code) == (200, 200, 422)
    assert "pooled.root@example.com" in rows.text
    assert "portal_reader" in read.text
    assert "read here" in refused.text
    assert client.get("/users/").status_code == 200


def test_statements_can_be_repeated(pooled_app: Flask) -> None:
    with acting(pooled_app):
        for _ in range(ROUNDS):
            assert db.session.scalar(text("SELECT :one + 1"), {"one": 1}) == 2
            db.session.rollback()


def test_re6_long_statements_are_cancelled(pooled_url: str) -> None:
    app = portal(pooled_url, PORTAL_STATEMENT_TIMEOUT="0.2")

    @command
    def long() -> None:
        db.session.execute(text("SELECT pg_sleep(5)"))

    with acting(app), pytest.raises(Exception, match="statement timeout"):
        long()
    disconnect(app)


def test_migrations_need_the_direct_url(pooled_url: str, direct_url: str) -> None:
    without, given = portal(pooled_url), portal(pooled_url, DIRECT_URL=direct_url)

    refused = without.test_cli_runner().invoke(args=["db", "upgrade"])
    done = given.test_cli_runner().invoke(args=["db", "upgrade"])

    assert (refused.exit_code, done.exit_code) == (1, 0)
    assert "set DIRECT_URL" in refused.output
    disconnect(without)
    disconnect(given)


def test_an_undeclared_pooler_is_reported_in_a_sentence(pooled_url: str, database_server: Server) -> None:
    app = portal(pooled_url.split("?")[0])

    result = app.test_cli_runner().invoke(args=["users", "unlock", "nobody@example.com"])

    assert result.exit_code == 1
    assert "add ?pgbouncer=true" in result.output
    disconnect(app)


def test_emails_are_queued_through_the_pooler_and_sent_over_the_direct_connection(
    pooled_url: str, direct_url: str
) -> None:
    app = portal(pooled_url, DIRECT_URL=direct_url)
    build = Builder(app)
    ada = build.person("ada@example.com", role=Role.ADMIN, tenant=build.tenant("Acme"))
    with acting(app, ada):
        command(send_later)("password_changed", ada.id)
    jobs = text("SELECT count(*) FROM queue.procrastinate_jobs")
    with acting(app):
        waiting = db.session.scalar(jobs)

    with ThreadPoolExecutor(1) as thread:  # this thread may already run an event loop
        thread.submit(lambda: asyncio.run(work(queue_of(app), until_empty=True))).result()

    with acting(app):
        assert (waiting, db.session.scalar(jobs)) == (1, 0)
    disconnect(app)
