"""How does Alembic reach the database? Through the application's own engine, one migrator at a time."""

from __future__ import annotations

import time
from logging.config import fileConfig
from typing import Any

import click
from alembic import context
from flask import current_app
from sqlalchemy import Connection

from portal.core.db import MIGRATION_LOCK, direct_engine
from portal.postgres import extensions
from portal.postgres.migrations import LOCK_SECONDS, patiently
from portal.postgres.preflight import refuse_unmigratable
from portal.postgres.roles import ensure_roles

extension = current_app.extensions["migrate"].db


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Tables without a model are not compared: other programs', and those that only SQL functions touch."""
    return kind != "table" or name in extension.metadata.tables


def tell(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:  # called by these names
    """Say what is done, one line a migration; of a database that is made to be looked at, nothing."""
    if "engine" in context.config.attributes:
        return
    done = "Applied" if step.is_upgrade else "Undone"
    click.echo(
        f"{done}: {', '.join(step.source_revision_ids if not step.is_upgrade else [step.up_revision_id])}", err=True
    )


def online() -> None:
    if given := context.config.attributes.get("connection"):
        extensions.find(given)
        ensure_roles(given)
        migrate(given)  # one who has the lock makes all migrations part of a transaction of their own
        return
    engine = context.config.attributes.get("engine") or direct_engine()
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT set_config('statement_timeout', '0', false)")
        wait_for_others(connection)
        try:
            refuse_unmigratable(connection, list(extension.metadata.tables))
            connection.commit()
            extensions.find(connection, lasting=True)
            milliseconds = str(int(LOCK_SECONDS * 1000))
            connection.exec_driver_sql("SELECT set_config('lock_timeout', %s, false)", (milliseconds,))
            connection.commit()
            patiently(lambda: migrate(connection), connection, lambda words: click.echo(words, err=True))
        finally:
            connection.rollback()
            connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
            connection.commit()
            connection.invalidate()


def wait_for_others(connection: Connection) -> None:
    """Ask again and again: who waits inside a statement would keep CREATE INDEX CONCURRENTLY from ending."""
    is_told = False
    while not connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (MIGRATION_LOCK,)).scalar_one():
        connection.commit()
        if not is_told:
            click.echo("Another migration of this database is running; waiting for its end.", err=True)
        is_told = True
        time.sleep(0.5)


def migrate(connection: Connection) -> None:
    """Each migration is a transaction; those that are done stay done."""
    context.configure(
        connection=connection,
        target_metadata=extension.metadata,
        include_name=include_name,
        compare_server_default=False,
        transaction_per_migration=True,
        on_version_apply=tell,
    )
    with context.begin_transaction():
        context.run_migrations()


def offline() -> None:
    context.configure(url=extension.engine.url, target_metadata=extension.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.config.config_file_name and not current_app.testing:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
if context.is_offline_mode():
    offline()
else:
    online()
