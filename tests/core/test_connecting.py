"""Connecting with certificates, and the errors when they are wrong; what connections keep."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url, text

from portal import database_url
from portal.core.actor import Role
from portal.core.db import db
from tests.acting import acting
from tests.cast import Builder
from tests.core.encrypting import Encrypting, certificate, encrypting
from tests.database import app_for, disconnect
from tests.postgres.test_preflight import run


@pytest.fixture
def server(fresh_database: str, tmp_path: Path) -> Iterator[Encrypting]:
    with encrypting(fresh_database, tmp_path) as server:
        yield server


def address(server: Encrypting, database: str, arguments: str) -> str:
    url = make_url(database)
    written = f"postgresql://{url.username}:{url.password}@localhost:{server.port}/{url.database}?{arguments}"
    return database_url.read(written).url


def test_a_problem_with_certificates_is_reported(server: Encrypting, fresh_database: str, tmp_path: Path) -> None:
    absent, empty, readable = tmp_path / "absent.pem", tmp_path / "empty.pem", tmp_path / "readable.pem"
    empty.touch(mode=0o600)
    readable.write_bytes(server.key.read_bytes())
    readable.chmod(0o644)
    other = certificate(tmp_path, "other")[0]
    for arguments, sentence in {
        f"sslmode=verify-full&sslrootcert={absent}": f'root certificate file "{absent}" does not exist',
        f"sslmode=verify-ca&sslrootcert={other}": "certificate verify failed",
        f"sslmode=verify-full&sslrootcert={server.certificate}&host=127.0.0.1": "does not match host name",
        f"sslmode=require&sslcert={empty}&sslkey={server.key}": "could not read certificate file",
        f"sslmode=require&sslcert={server.certificate}&sslkey={absent}": "private key file",
        f"sslmode=require&sslcert={server.certificate}&sslkey={readable}": "has group or world access",
        "sslmode=always": 'invalid sslmode value: "always"',
    }.items():
        wrong = address(server, fresh_database, arguments)
        for command in (["db", "upgrade"], ["users", "unlock", "ada@example.com"]):
            code, output = run(wrong, *command)
            assert (code, output.count("\n")) == (1, 1), output
            assert "can't be secured" in output, output
            assert sentence in output
            assert str(make_url(fresh_database).password) not in output


def test_correct_certificates_connect_to_the_database(server: Encrypting, fresh_database: str) -> None:
    arguments = f"sslmode=verify-full&sslrootcert={server.certificate}&application_name=ours&connect_timeout=9"
    app = app_for(address(server, fresh_database, arguments))
    with app.app_context(), db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        assert driver.pgconn.ssl_in_use
        assert driver.info.get_parameters()["connect_timeout"] == "9"
        assert connection.exec_driver_sql("SHOW application_name").scalar_one() == "ours"
    disconnect(app)


def test_statements_stay_prepared_after_reads_and_follow_each_actors_row_security(fresh_app: Flask) -> None:
    build = Builder(fresh_app)
    ada, bea = (
        build.person(f"{name}@example.com", role=Role.ADMIN, tenant=build.tenant(name)) for name in ("ada", "bea")
    )
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    everybody = ["ada@example.com", "bea@example.com", "root@example.com"]

    for _ in range(8):
        for person, seen in ((ada, [ada.email]), (root, everybody), (bea, [bea.email]), (None, everybody)):
            with acting(fresh_app, person):
                assert list(db.session.scalars(text("SELECT email FROM users ORDER BY email"))) == seen

    with acting(fresh_app):
        prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT email FROM users%'")
        assert db.session.scalar(prepared) == 1


@pytest.mark.parametrize(
    ("statement", "names"), [("SELECT 1 AS one", ["one"]), ("SELECT", []), ("SET jit = off", None)]
)
def test_results_are_described_also_without_columns(app: Flask, statement: str, names: list[str] | None) -> None:
    with app.app_context(), db.engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        cursor.execute(statement)

        assert cursor.description == (None if names is None else [(name, 23, *[None] * 5) for name in names])


def test_functions_read_texts_alike_whatever_the_url_sets(fresh_database: str) -> None:
    options = {"options": "-c standard_conforming_strings=off"}
    app = app_for(make_url(fresh_database).update_query_dict(options).render_as_string(hide_password=False))
    with app.app_context(), db.engine.connect() as connection:
        assert connection.exec_driver_sql(r"SELECT portal_fold_term('a\b')").scalar_one() == "a ᐘ b"
    disconnect(app)
