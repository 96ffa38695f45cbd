"""`flask doctor` reports each check in one line, with the remedy if it fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import click
import pytest
from click.testing import Result
from flask import Flask

from portal import create_app
from portal.activity import seals
from portal.cli.doctor import checks
from portal.core.actor import SYSTEM
from portal.core.clock import now
from portal.core.db import acting_as, db
from tests.acting import portal_on
from tests.database import SECRET_KEY, Server, app_for, disconnect, settings_for

LINE = re.compile(r"(ok|no)  [a-z ]+: \S.*")
NOWHERE = "postgresql+psycopg://nobody:hunter2@127.0.0.1:1/none"


def diagnose(app: Flask, *names: str) -> Result:
    """Run the doctor, with only these checks if any are named."""
    every = checks.of(app)
    checks.set(app, [one for one in every if not names or one.name in names])
    try:
        return app.test_cli_runner().invoke(args=["doctor"])
    finally:
        checks.set(app, every)


def change(app: Flask, *statements: str) -> None:
    with app.app_context(), db.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@pytest.fixture
def unmigrated(database_server: Server) -> Iterator[Flask]:
    app = app_for(database_server.create("unmigrated_doctor"))
    yield app
    disconnect(app)
    database_server.drop("unmigrated_doctor")


def test_every_check_of_a_migrated_installation_passes(fresh_app: Flask) -> None:
    result = diagnose(fresh_app)

    lines = result.output.splitlines()
    assert result.exit_code == 0, result.output
    assert len(lines) == len(checks.of(fresh_app))
    assert [line for line in lines if not (LINE.fullmatch(line) and line.startswith("ok"))] == []
    assert SECRET_KEY not in result.output


def test_passed_checks_are_green_and_failed_ones_red(fresh_app: Flask) -> None:
    change(fresh_app, "DROP TABLE rate_limits")
    result = fresh_app.test_cli_runner().invoke(args=["doctor"], color=True)

    assert click.style("ok", fg="green", bold=True) in result.output
    assert click.style("no", fg="red", bold=True) in result.output


def test_a_restored_database_where_everyone_can_create_temporary_tables_is_reported(fresh_app: Flask) -> None:
    with fresh_app.app_context():
        name = db.engine.url.database
    change(fresh_app, f'GRANT TEMPORARY ON DATABASE "{name}" TO PUBLIC')

    result = diagnose(fresh_app, "data browser role")

    assert result.exit_code == 1
    assert "REVOKE TEMPORARY ON DATABASE portal_test_" in result.output


def test_without_a_database_the_other_checks_still_run() -> None:
    app = create_app(settings_for(NOWHERE))
    result = diagnose(app)
    disconnect(app)

    assert result.exit_code == 1
    assert "ok  secret key" in result.output
    assert "no  connection: No database server listens" in result.output
    assert "checks were skipped" in result.output
    assert "hunter2" not in result.output


def test_a_database_without_migrations_only_reports_that(unmigrated: Flask) -> None:
    result = diagnose(unmigrated)

    assert result.exit_code == 1
    assert result.output == "no  migrations: none applied yet: run `flask db upgrade`.\n"


def test_checks_that_need_the_newest_tables_are_skipped_while_migrations_are_pending(fresh_app: Flask) -> None:
    change(
        fresh_app,
        "DROP SCHEMA queue CASCADE",
        "UPDATE alembic_version SET version_num = '0003_row_level_security'",
    )

    result = diagnose(fresh_app)

    troubles = [line for line in result.output.splitlines() if line.startswith("no")]
    assert result.exit_code == 1
    assert len(troubles) == 2
    assert troubles[0].startswith("no  migrations: pending (found 0003_row_level_security")
    assert re.fullmatch(r"no  the rest: \d+ checks were skipped\.", troubles[1])


def test_a_migration_of_a_newer_version_is_not_reported_as_pending(fresh_app: Flask) -> None:
    change(fresh_app, "UPDATE alembic_version SET version_num = '9999'")

    assert "newer than this code" in diagnose(fresh_app, "migrations").output


def test_a_database_from_before_the_first_release_must_be_reset(fresh_app: Flask) -> None:
    change(fresh_app, "UPDATE alembic_version SET version_num = '0020'")

    for result in (diagnose(fresh_app), fresh_app.test_cli_runner().invoke(args=["db", "upgrade"])):
        assert result.exit_code == 1
        assert "can't be upgraded: run `flask database reset` to create it again" in result.output


def test_drift_is_reported_with_its_first_differences(fresh_app: Flask) -> None:
    change(fresh_app, "DROP INDEX users_email_key", "GRANT ALL ON users TO portal_tenant")

    result = diagnose(fresh_app, "drift")

    assert result.exit_code == 1
    assert "grant portal_tenant of users is changed; index users_email_key of users is missing." in result.output


def test_a_missing_extension_is_named(fresh_app: Flask) -> None:
    change(fresh_app, "DROP EXTENSION pg_trgm CASCADE")

    assert "no  extensions: pg_trgm missing" in diagnose(fresh_app, "extensions").output


def test_a_wrong_clock_is_reported(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.cli.checks.now", lambda: now() + timedelta(hours=1))

    assert "no  clock: this machine and the database are 3600 s apart" in diagnose(fresh_app, "clock").output


def test_a_missing_or_wrong_direct_url_behind_a_pooler_is_reported(
    fresh_app: Flask, fresh_database: str, unmigrated: Flask
) -> None:
    elsewhere = unmigrated.config["SQLALCHEMY_DATABASE_URI"]
    pooled = replace(settings_for(fresh_database), pools_transactions=True)

    output = {}
    for name, direct in (("none", None), ("elsewhere", elsewhere), ("nowhere", NOWHERE), ("same", fresh_database)):
        app = create_app(replace(pooled, direct_url=direct))
        output[name] = diagnose(app, "direct address").output
        disconnect(app)

    assert "set DIRECT_URL" in output["none"]
    assert "different databases" in output["elsewhere"]
    assert "No database server listens" in output["nowhere"]
    assert output["same"].startswith("ok")


def test_a_tenant_role_that_the_login_cannot_take_is_reported(fresh_app: Flask, database_server: Server) -> None:
    owner = database_server.owner
    assert owner
    database_server.execute(f"REVOKE portal_tenant FROM {owner}")
    try:
        result = diagnose(fresh_app, "tenant role")
    finally:
        again = " WITH INHERIT FALSE, SET TRUE" if database_server.version() >= 160000 else ""
        database_server.execute(f"GRANT portal_tenant TO {owner}{again}")

    assert "can't switch to portal_tenant: run GRANT portal_tenant" in result.output


def test_a_misspelled_setting_is_reported(fresh_database: str) -> None:
    with portal_on(fresh_database, misspelled=("PORTAL_X is not a setting.",)) as app:
        assert diagnose(app, "settings").output == "no  settings: PORTAL_X is not a setting.\n"


def test_production_without_a_public_url_is_reported(fresh_database: str) -> None:
    address = "https://portal.example.com"
    for message, url, proxies in (
        ("set PORTAL_URL", None, 0),
        ("set PORTAL_TRUSTED_PROXIES", address, 0),
        (f"ok  public address: {address}", address, 1),
    ):
        settings = settings_for(fresh_database, public_url=url, trusted_proxies=proxies)
        app = create_app(replace(settings, production=True))
        assert message in diagnose(app, "public address").output
        disconnect(app)


def test_unsealed_events_and_seals_of_another_key_are_reported(fresh_app: Flask, fresh_database: str) -> None:
    change(fresh_app, "INSERT INTO organizations (name, slug) VALUES ('Acme', 'acme')")
    soon = diagnose(fresh_app, "seals of the history").output
    with fresh_app.app_context(), acting_as(SYSTEM):
        fresh_app.test_cli_runner().invoke(args=["activity", "seal"])
    other = create_app(replace(settings_for(fresh_database), secret_key=SECRET_KEY[::-1]))
    changed = diagnose(other, "seals of the history").output
    disconnect(other)

    assert soon.startswith("ok  seals of the history: none yet, 1 event waiting")
    assert "made with an unknown key" in changed
    assert diagnose(fresh_app, "seals of the history").output.startswith("ok  seals of the history: the newest is 1")


def test_events_that_are_sealed_late_are_reported(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    change(fresh_app, "INSERT INTO organizations (name, slug) VALUES ('Acme', 'acme')")
    later = now() + timedelta(days=1)
    monkeypatch.setattr(seals, "now", lambda: later)

    reported = diagnose(fresh_app, "seals of the history").output
    assert re.match(
        r"no  seals of the history: 1 event not sealed, the oldest from \d{4}-\d\d-\d\d \d\d:\d\d UTC\.", reported
    )
    assert "Run `flask activity seal` to seal now; with gunicorn, run it from a timer." in reported
