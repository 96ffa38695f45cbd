"""The portal works on databases as operators set them up, or stops with a sentence before it changes anything."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url

from portal.config import load_settings
from portal.core.db import db
from portal.postgres.embedded import Embedded
from portal.postgres.migrations import heads
from tests.cast import PASSWORD
from tests.cli.test_doctor import diagnose
from tests.database import OWNER_PASSWORD, PREFIX, SECRET_KEY, Server, app_for, disconnect
from tests.pages import fields_of

Make = Callable[..., str]
COMMANDS = (["db", "upgrade"], ["seed", "--password", PASSWORD], ["worker"], ["serve"], ["doctor"])
NUMBERS = itertools.count(1)


@pytest.fixture
def make(database_server: Server) -> Iterator[Make]:
    """Create a database for the portal's login, with further options of CREATE DATABASE, and run statements in it."""
    made: list[str] = []

    def create(*statements: str, words: str = "TEMPLATE template0") -> str:
        name = f"surroundings{next(NUMBERS)}"
        database_server.execute(f'CREATE DATABASE "{PREFIX}{name}" OWNER {database_server.owner} {words}')
        made.append(name)
        administer(database_server.address(name, as_owner=False), database_server, *statements)
        return database_server.address(name)

    yield create
    for name in made:
        database_server.drop(name)


def administer(address: str, server: Server, *statements: str) -> None:
    """Run statements as the server's administrator. {login} and {database} are the portal's."""
    url = make_url(address).set(drivername="postgresql")
    words = {"login": server.owner, "database": f'"{url.database}"'}
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.format(**words).encode())


def run(address: str, *command: str) -> tuple[int, str]:
    app = app_for(address)
    try:
        result = app.test_cli_runner().invoke(args=list(command))
    finally:
        disconnect(app)
    return result.exit_code, result.output


def relations(address: str) -> set[tuple[str, str]]:
    """Schema and name of all tables outside PostgreSQL's own schemas."""
    url = make_url(address).set(drivername="postgresql").difference_update_query(["options"])
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        found = connection.execute(
            "SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'p') AND nspname <> 'information_schema' AND NOT starts_with(nspname, 'pg_')"
        )
        return {(str(schema), str(name)) for schema, name in found}


def assert_it_works(address: str) -> None:
    """Migrate, check the schema, seed, sign in, and find an organization whose name has accents."""
    code, output = run(address, "db", "upgrade")
    assert code == 0, output
    assert {schema for schema, _ in relations(address)} == {"public", "queue"}
    app = app_for(address)
    try:
        assert app.test_cli_runner().invoke(args=["seed", "--password", PASSWORD]).exit_code == 0
        checks = diagnose(app, "connection", "version", "characters", "extensions", "migrations", "drift", "owner")
        assert checks.exit_code == 0, checks.output
        assert_search_works(app)
    finally:
        disconnect(app)


def assert_search_works(app: Flask) -> None:
    client = app.test_client()
    fields = fields_of(client.get("/login").text)
    client.post("/login", data={**fields, "email": "admin@example.com", "password": PASSWORD})
    fields = fields_of(client.get("/organizations/new").text)
    made = client.post("/organizations/new", data={**fields, "name": "Éclair İstanbul", "slug": "eclair"})
    assert made.status_code == 303
    assert "Éclair İstanbul" in client.get("/organizations/?q=eclair").text


EXTENSIONS = ("CREATE SCHEMA extensions", "CREATE EXTENSION pg_trgm SCHEMA extensions",
              "GRANT USAGE ON SCHEMA extensions TO {login}")  # fmt: skip
WORKING = {
    "extensions in a schema of their own": EXTENSIONS,
    "an extension in a schema with an unusual name": ('CREATE SCHEMA "Ext, 1"',
                                                   'GRANT USAGE ON SCHEMA "Ext, 1" TO {login}',
                                                   'CREATE EXTENSION pg_trgm SCHEMA "Ext, 1"'),
    "an extension of somebody else in public": ("CREATE EXTENSION pg_trgm",),
    "a schema named like the login": ("CREATE SCHEMA AUTHORIZATION {login}",),
    "search_path of the database": ("CREATE SCHEMA app AUTHORIZATION {login}",
                                    "ALTER DATABASE {database} SET search_path = app, public"),
    "settings of the login in this database": (
        "CREATE SCHEMA app AUTHORIZATION {login}",
        "ALTER ROLE {login} IN DATABASE {database} SET search_path = app, public",
        "ALTER ROLE {login} IN DATABASE {database} SET datestyle = 'SQL, DMY'",
        "ALTER ROLE {login} IN DATABASE {database} SET intervalstyle = 'sql_standard'",
        "ALTER ROLE {login} IN DATABASE {database} SET client_encoding = 'LATIN1'",
        "ALTER ROLE {login} IN DATABASE {database} SET row_security = off",
        "ALTER ROLE {login} IN DATABASE {database} SET standard_conforming_strings = off",
        "ALTER ROLE {login} IN DATABASE {database} SET default_transaction_isolation = serializable",
    ),
}  # fmt: skip
REFUSED = {
    "read-only": (("ALTER DATABASE {database} SET default_transaction_read_only = on",), "read-only"),
    "no privilege on public": (
        ("ALTER SCHEMA public OWNER TO CURRENT_USER", "REVOKE CREATE ON SCHEMA public FROM {login}, PUBLIC"),
        "GRANT CREATE ON SCHEMA public TO",
    ),
    "no schema public": (("DROP SCHEMA public",), "CREATE SCHEMA public"),
    "no privilege to create schemas": (
        ("ALTER DATABASE {database} OWNER TO CURRENT_USER", "GRANT CREATE ON SCHEMA public TO {login}"),
        "GRANT CREATE ON DATABASE",
    ),
    "extensions that can't be used": (EXTENSIONS[:-1], "GRANT USAGE ON SCHEMA extensions TO"),
    "a table of another program": (("CREATE TABLE outbox_emails (id int)",), "the table outbox_emails"),
    "a schema of another program": (("CREATE SCHEMA queue",), "the schema queue"),
    "a migration of another program": (
        ("CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('abc')",
         "GRANT SELECT ON alembic_version TO PUBLIC"), "newer than this code",
    ),
}  # fmt: skip


@pytest.mark.parametrize("statements", WORKING.values(), ids=WORKING)
def test_the_portal_works_on_a_database_with(statements: tuple[str, ...], make: Make) -> None:
    assert_it_works(make(*statements))


def test_schemas_and_settings_in_the_url_are_ignored(make: Make) -> None:
    address = make("CREATE SCHEMA app AUTHORIZATION {login}")
    options = make_url(address).update_query_dict({"options": "-c search_path=app,public -c statement_timeout=1"})

    assert_it_works(options.render_as_string(hide_password=False))


def test_a_login_that_switches_to_another_role_still_owns_its_tables(make: Make, database_server: Server) -> None:
    group = f"{PREFIX}group"
    address = make(f"CREATE ROLE {group} NOLOGIN", f"GRANT {group} TO {{login}}",
                   f"ALTER ROLE {{login}} IN DATABASE {{database}} SET role = {group}")  # fmt: skip
    try:
        assert_it_works(address)
    finally:
        database_server.execute(f"DROP ROLE {group}")


def test_the_portal_works_with_every_collation_provider_of_the_server(make: Make, database_server: Server) -> None:
    """Including ICU, if the server supports it, with Turkish and its special lower case."""
    words = ["LOCALE 'C.UTF-8'"]
    words += ["LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"] if database_server.version() >= 170000 else []
    with psycopg.connect(make_url(database_server.url).set(drivername="postgresql").render_as_string()) as connection:
        has_icu = connection.execute("SELECT FROM pg_collation WHERE collprovider = 'i'").fetchone()
    if has_icu:
        locales = ("tr-TR", "en-US-u-ks-level2", "und")
        words += [f"LOCALE_PROVIDER icu ICU_LOCALE '{name}'" for name in locales]

    for one in words:
        assert_it_works(make(words=f"TEMPLATE template0 {one}"))


@pytest.mark.parametrize(("statements", "sentence"), REFUSED.values(), ids=REFUSED)
def test_migrating_is_refused_before_anything_changes_for(
    statements: tuple[str, ...], sentence: str, make: Make
) -> None:
    address = make(*statements)
    before = relations(address)

    code, output = run(address, "db", "upgrade")

    assert (code, output.count("\n")) == (1, 1), output
    assert sentence in output
    assert relations(address) == before


@pytest.mark.parametrize(("statements", "sentence"), REFUSED.values(), ids=REFUSED)
def test_the_doctor_reports_the_same_obstacle_beforehand(
    statements: tuple[str, ...], sentence: str, make: Make
) -> None:
    code, output = run(make(*statements), "doctor")

    assert (code, output.count("\n")) == (1, 1), output
    assert sentence in output


ENCODINGS = {
    "LATIN1": "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    "SQL_ASCII": "ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0",
}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_database_in_another_encoding_is_refused_by_every_command(
    encoding: str, command: list[str], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.mail.queue.work", lambda *_, **__: pytest.fail("the worker started"))
    address = make(words=ENCODINGS[encoding])

    code, output = run(address, *command)

    assert code == 1
    assert f"The database uses {encoding}" in output
    assert "Traceback" not in output
    assert relations(address) == set()


def test_pages_on_a_database_in_another_encoding_are_unavailable_and_the_log_explains_why(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_for(make(words=ENCODINGS["LATIN1"]))
    try:
        client = app.test_client()
        client.set_cookie("portal", "x")
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert (
            client.post(
                "/login", data=fields_of(client.get("/login").text) | {"email": "a@b.de", "password": "x"}
            ).status_code
            == 503
        )
    finally:
        disconnect(app)

    assert "The database uses LATIN1" in caplog.text


def test_a_new_database_that_cannot_lowercase_is_refused(make: Make) -> None:
    code, output = run(make(words="ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"), "db", "upgrade")

    assert (code, output.count("\n")) == (1, 1)
    assert "can't lowercase non-English letters" in output


def test_a_login_that_owns_no_tables_is_refused(fresh_database: str, database_server: Server) -> None:
    stranger = f"{PREFIX}stranger"
    url = make_url(fresh_database)
    administrator = database_server.address(str(url.database).removeprefix(PREFIX), as_owner=False)
    administer(administrator, database_server, f"CREATE ROLE {stranger} LOGIN PASSWORD '{OWNER_PASSWORD}'")
    administer(administrator, database_server, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {stranger}")
    try:
        address = url.set(username=stranger).render_as_string(hide_password=False)
        code, output = run(address, "seed", "--password", PASSWORD)
    finally:
        administer(administrator, database_server, f"DROP OWNED BY {stranger}", f"DROP ROLE {stranger}")

    assert (code, output.count("\n")) == (1, 1), output
    assert "must own the portal's tables" in output


def test_migrating_continues_once_the_obstacle_is_gone(make: Make, database_server: Server) -> None:
    address = make("CREATE TABLE outbox_emails (id int)")
    assert run(address, "db", "upgrade")[0] == 1
    name = str(make_url(address).database).removeprefix(PREFIX)
    administer(database_server.address(name, as_owner=False), database_server, "DROP TABLE outbox_emails")

    assert run(address, "db", "upgrade")[0] == 0
    app = app_for(address)
    with app.app_context(), db.engine.connect() as connection:
        assert {connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()} == heads()
    disconnect(app)


def test_a_socket_and_the_second_of_two_hosts_can_be_reached(fresh_database: str, database_server: Server) -> None:
    """With the URL as an operator writes it, read by the settings."""
    url = make_url(fresh_database)
    folder, port = url.query.get("host") or url.host, url.query.get("port") or url.port or 5432
    quoted = str(folder).replace("/", "%2F")
    for hosts in (f"{quoted}:{port}", f"127.0.0.1:1,{quoted}:{port}"):
        written = f"postgresql://{url.username}:{OWNER_PASSWORD}@{hosts}/{url.database}?target_session_attrs=read-write"
        found = load_settings({"DATABASE_URL": written, "SECRET_KEY": SECRET_KEY}).database_url
        assert found
        code, output = run(found, "users", "unlock", "nobody@example.com")
        assert (code, "Nobody has the address" in output) == (1, True), output


def test_commands_that_write_are_refused_on_a_standby(tmp_path: Path) -> None:
    """A server in endless recovery, which has a database but is read-only."""
    with tempfile.TemporaryDirectory(prefix="portal-standby-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # the server may run under another account than ours
        server = Embedded(Path(folder) / "postgres", durable=False)
        with server.running():
            pass
        owner = server.data.stat()
        (server.data / "standby.signal").touch()
        os.chown(server.data / "standby.signal", owner.st_uid, owner.st_gid)
        with server.running() as address:
            output = {command[0]: run(address, *command) for command in (["db", "upgrade"], ["doctor"])}

    assert {code for code, _ in output.values()} == {1}
    assert all("is a read-only standby" in words and words.count("\n") == 1 for _, words in output.values()), output
