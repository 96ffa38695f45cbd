"""Run Alembic's migrations with the application's own engine, one process at a time."""

from __future__ import annotations

import time
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
    """Don't compare tables without a model: those of other programs, and those used only by SQL functions."""
    return kind != "table" or name in extension.metadata.tables


def report(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:  # Alembic passes these by name
    """Print one line per migration; none for a temporary database whose schema is only read."""
    if "engine" in context.config.attributes:
        return
    done = "Applied" if step.is_upgrade else "Reverted"
    click.echo(
        f"{done}: {', '.join(step.source_revision_ids if not step.is_upgrade else [step.up_revision_id])}", err=True
    )


def online() -> None:
    if given := context.config.attributes.get("connection"):
        extensions.find(given)
        ensure_roles(given)
        migrate(given)  # the caller has the lock, and runs all migrations in its own transaction
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
    """Wait for other migrations by polling: waiting inside a statement would block CREATE INDEX CONCURRENTLY."""
    is_reported = False
    while not connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (MIGRATION_LOCK,)).scalar_one():
        connection.commit()
        if not is_reported:
            click.echo("Another migration of this database is running; waiting until it ends.", err=True)
        is_reported = True
        time.sleep(0.5)


def migrate(connection: Connection) -> None:
    """Run each migration in its own transaction, so that completed ones stay applied if a later one fails."""
    context.configure(
        connection=connection,
        target_metadata=extension.metadata,
        include_name=include_name,
        compare_server_default=False,
        transaction_per_migration=True,
        on_version_apply=report,
    )
    with context.begin_transaction():
        context.run_migrations()


def offline() -> None:
    context.configure(url=extension.engine.url, target_metadata=extension.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    offline()
else:
    online()
