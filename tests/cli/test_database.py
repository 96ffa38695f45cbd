"""`flask database reset` recreates databases for development, and refuses others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from portal import create_app
from portal.cli import serve
from portal.cli.database import is_disposable
from portal.core.db import db
from portal.organizations.models import Organization
from portal.postgres import catalog, migrations
from portal.web.given import current_settings
from tests.acting import acting
from tests.cast import Builder
from tests.database import Server, app_for, disconnect, settings_for


@pytest.fixture
def development(database_server: Server, template_database: str) -> Iterator[Flask]:
    """A database whose name says that it is for development, with an organization."""
    app = app_for(database_server.create("dev", template=template_database))
    Builder(app).tenant("Acme")
    yield app
    disconnect(app)
    database_server.drop("dev")


def reset(app: Flask, *options: str, answer: str = "") -> Result:
    return app.test_cli_runner().invoke(args=["database", "reset", *options], input=answer)


def rows(app: Flask) -> int:
    with acting(app):
        return db.session.scalar(select(func.count(Organization.id))) or 0


def test_a_reset_recreates_an_empty_migrated_database(development: Flask) -> None:
    with development.app_context(), db.engine.begin() as connection:
        made = catalog.read(connection)
        connection.exec_driver_sql("DROP TABLE rate_limits")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0020'")  # from before the first release
        connection.exec_driver_sql("CREATE TABLE other (id int)")
    before = rows(development)

    result = reset(development, answer="y\n")

    assert (before, result.exit_code, rows(development)) == (1, 0, 0), result.output
    with development.app_context(), db.engine.connect() as connection:
        assert catalog.read(connection) == made
        assert migrations.applied(connection) == migrations.heads()


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_a_reset_needs_confirmation(development: Flask, answer: str) -> None:
    result = reset(development, answer=answer)

    assert result.exit_code == 1
    assert "will be deleted" in result.output
    assert rows(development) == 1


def test_a_database_that_may_be_in_use_is_not_reset(fresh_app: Flask, database_server: Server) -> None:
    app = app_for(fresh_app.config["SQLALCHEMY_DATABASE_URI"].replace("portal_test_", "portal_live_"))
    result = reset(app, "--yes")
    disconnect(app)

    assert result.exit_code == 1
    assert "may contain data that is still needed" in result.output


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("portal", False), ("portal_production", False), ("portal_dev", True), ("DEV-portal", True), ("test2", True),
        ("contest", False), ("device", False), ("latest", False), ("", False),
    ],
)  # fmt: skip
def test_only_a_whole_word_in_its_name_marks_a_database_as_resettable(name: str, expected: bool) -> None:
    assert is_disposable(settings_for("postgresql+psycopg://localhost/x"), name) is expected


def test_resetting_the_embedded_database_recreates_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.cli.serve.DEMO_PEOPLE", 20)
    app = create_app(replace(settings_for(""), database_url=None, instance=tmp_path))
    app.testing = True
    with serve.own_server(current_settings.of(app)):
        result = reset(app, "--yes")
        made = rows(app)
        again = reset(app, "--yes")
        disconnect(app)

    assert (result.exit_code, again.exit_code) == (0, 0), result.output
    assert made > 0
