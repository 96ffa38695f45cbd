"""Does an operator whose database can't be worked with read one plain sentence, whatever the command?"""

from __future__ import annotations

import socket

import pytest
from sqlalchemy import make_url

from portal import create_app
from tests.database import Server, disconnect, settings_for

COMMANDS = (["db", "upgrade"], ["users", "unlock", "ada@example.com"], ["activity", "verify"])


def said_by(url: str, command: list[str]) -> str:
    app = create_app(settings_for(url))
    result = app.test_cli_runner().invoke(args=command)
    disconnect(app)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    return result.output


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_a_server_that_is_not_there(command: list[str], closed_port: int) -> None:
    said = said_by(f"postgresql+psycopg://user:hunter2@127.0.0.1:{closed_port}/name", command)

    assert "No database server listens" in said
    assert "hunter2" not in said


def test_a_host_that_is_not_known() -> None:
    assert "is unknown" in said_by("postgresql+psycopg://user@host.invalid/name", COMMANDS[0])


def test_a_database_that_is_not_there(database_server: Server) -> None:
    url = make_url(database_server.address("absent")).render_as_string(hide_password=False)

    assert "does not exist" in said_by(url, COMMANDS[0])


def test_an_argument_that_postgresql_does_not_know(database_server: Server) -> None:
    url = make_url(database_server.address("absent")).update_query_dict({"colour": "blue"})

    assert "does not recognize" in said_by(url.render_as_string(hide_password=False), COMMANDS[0])


def test_tables_that_are_not_there(database_server: Server) -> None:
    url = database_server.create("empty")

    assert "run `flask db upgrade`" in said_by(url, COMMANDS[1])
    database_server.drop("empty")


def test_rights_that_are_missing(database_server: Server, fresh_database: str) -> None:
    """A login that may connect and owns nothing."""
    database_server.execute("CREATE ROLE portal_test_stranger LOGIN PASSWORD 'none'")
    url = make_url(fresh_database).set(username="portal_test_stranger", password="none")
    try:
        said = said_by(url.render_as_string(hide_password=False), COMMANDS[0])
    finally:
        database_server.execute("DROP ROLE portal_test_stranger")

    assert "lacks a privilege" in said
