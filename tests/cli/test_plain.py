"""Every command reports an unusable database in one plain sentence."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import make_url

from portal import create_app
from tests.database import Server, disconnect, settings_for
from tests.ports import free_port

COMMANDS = (["db", "upgrade"], ["users", "unlock", "ada@example.com"], ["activity", "verify"])


def error_of(url: str, command: list[str]) -> str:
    app = create_app(settings_for(url))
    result = app.test_cli_runner().invoke(args=command)
    disconnect(app)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    return result.output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_a_server_that_does_not_listen_is_reported(command: list[str]) -> None:
    error = error_of(f"postgresql+psycopg://user:hunter2@127.0.0.1:{free_port()}/name", command)

    assert "No database server listens" in error
    assert "hunter2" not in error


def test_a_migration_leaves_logging_as_it_was() -> None:
    """A handler for the stream of one command would fail in the next one that runs in the same process."""
    handlers = list(logging.getLogger().handlers)

    error_of(f"postgresql+psycopg://user@127.0.0.1:{free_port()}/name", COMMANDS[0])

    assert logging.getLogger().handlers == handlers


def test_an_unknown_host_is_reported() -> None:
    assert "is unknown" in error_of("postgresql+psycopg://user@host.invalid/name", COMMANDS[0])


def test_a_missing_database_is_reported(database_server: Server) -> None:
    url = make_url(database_server.address("absent")).render_as_string(hide_password=False)

    assert "does not exist" in error_of(url, COMMANDS[0])


def test_an_unknown_parameter_is_reported(database_server: Server) -> None:
    url = make_url(database_server.address("absent")).update_query_dict({"colour": "blue"})

    assert "does not recognize" in error_of(url.render_as_string(hide_password=False), COMMANDS[0])


def test_missing_tables_are_reported(database_server: Server) -> None:
    url = database_server.create("empty")

    assert "run `flask db upgrade`" in error_of(url, COMMANDS[1])
    database_server.drop("empty")


def test_missing_privileges_are_reported(database_server: Server, fresh_database: str) -> None:
    """A login that can connect but owns nothing."""
    database_server.execute("CREATE ROLE portal_test_stranger LOGIN PASSWORD 'none'")
    url = make_url(fresh_database).set(username="portal_test_stranger", password="none")
    try:
        error = error_of(url.render_as_string(hide_password=False), COMMANDS[0])
    finally:
        database_server.execute("DROP ROLE portal_test_stranger")

    assert "lacks a privilege" in error
