"""Flask-Migrate, loaded when a command first needs it, because it takes 4 MiB that processes for pages don't need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click
from flask import Flask

from portal.cli.plain import wrap
from portal.core.db import db
from portal.postgres.migrations import FOLDER


class Tool:
    """What Flask-Migrate expects in the application's extensions. It replaces itself when it is first used."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        app.cli.add_command(Commands("db", help="Perform database migrations."))

    def __getattr__(self, name: str) -> Any:
        import_module("flask_migrate").Migrate(self._app, db, directory=str(FOLDER))
        wrap(self._app.cli)
        return getattr(self._app.extensions["migrate"], name)


class Commands(click.Command):
    """`flask db`: in its place, Flask-Migrate's group is invoked."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        group: click.Group = import_module("flask_migrate.cli").db
        wrap(group)
        return group.make_context(*args, **kwargs)


def upgrade() -> None:
    """Apply all migrations of this code to the current application's database."""
    import_module("flask_migrate").upgrade()
