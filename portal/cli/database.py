"""Commands for the database as a whole: recreate a development database."""

from __future__ import annotations

import re

import click
from flask import Flask
from flask.cli import ScriptInfo
from sqlalchemy import make_url

from portal.cli import serve
from portal.cli.migrating import upgrade
from portal.config import Settings
from portal.core.db import db, direct_engine
from portal.web.given import current_settings

DISPOSABLE_NAMES = {"dev", "develop", "development", "test", "tests", "testing", "demo", "scratch", "sandbox"}
RESET_STATEMENTS = (
    "SELECT set_config('lock_timeout', '4s', true), set_config('statement_timeout', '0', true)",
    "DROP SCHEMA public CASCADE",
    "DROP SCHEMA IF EXISTS queue CASCADE",
    "CREATE SCHEMA public",
    "GRANT USAGE ON SCHEMA public TO PUBLIC",
)

database = click.Group("database", help="Manage the database as a whole.")


@database.command("reset")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.pass_obj
def reset_command(info: ScriptInfo, yes: bool) -> None:
    """Delete everything in a development database and migrate it again.

    The embedded database also gets its demo data back.
    """
    app = info.load_app()
    settings = current_settings.of(app)
    name = name_of(app)
    if not is_disposable(settings, name):
        raise click.ClickException(
            f"{name} may contain data that is still needed. Only the embedded database can be reset, and databases"
            f" whose name contains one of these words: {', '.join(sorted(DISPOSABLE_NAMES))}."
        )
    if not yes:
        click.confirm(f"Everything in the database {name} will be deleted. Continue?", abort=True)
    with serve.own_server(settings), app.app_context():
        empty()
        if settings.database_url is None:
            serve.prepare_demo()
        else:
            upgrade()
            click.echo(f"{name} is empty and migrated. Now run `flask seed` or `flask seed --demo`.")


def name_of(app: Flask) -> str:
    return make_url(app.config["SQLALCHEMY_DATABASE_URI"]).database or ""


def is_disposable(settings: Settings, name: str) -> bool:
    return settings.database_url is None or not DISPOSABLE_NAMES.isdisjoint(re.split(r"[^a-z]+", name.lower()))


def empty() -> None:
    """Drop everything, including tables of other programs, because a half-migrated schema can't be downgraded."""
    db.session.remove()
    with direct_engine().begin() as connection:
        for statement in RESET_STATEMENTS:
            connection.exec_driver_sql(statement)
