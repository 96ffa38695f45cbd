"""How does Alembic reach the database? Through the application's own engine, one migrator at a time."""

from __future__ import annotations

from logging.config import fileConfig
from typing import Any

import click
from alembic import context
from flask import current_app

from portal.core.db import direct_engine

MIGRATION_LOCK = 7_306_086_801  # any number, the same for every migrator of one database

extension = current_app.extensions["migrate"].db


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Tables without a model are not compared: other programs', and those that only SQL functions touch."""
    return kind != "table" or name in extension.metadata.tables


def tell(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:  # called by these names
    """Say what is done, one line a migration."""
    done = "Applied" if step.is_upgrade else "Undone"
    click.echo(
        f"{done}: {', '.join(step.source_revision_ids if not step.is_upgrade else [step.up_revision_id])}", err=True
    )


def online() -> None:
    with direct_engine().connect() as connection:
        connection.exec_driver_sql(
            "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '4s', false)"
        )
        connection.exec_driver_sql("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        connection.commit()
        try:
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
        finally:
            connection.rollback()
            connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
            connection.commit()
            connection.invalidate()


def offline() -> None:
    context.configure(url=extension.engine.url, target_metadata=extension.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


if not current_app.testing:
    fileConfig(context.config.config_file_name or "", disable_existing_loggers=False)
if context.is_offline_mode():
    offline()
else:
    online()
