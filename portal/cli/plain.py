"""Report expected errors of commands in one sentence instead of a traceback."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import click
from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from portal.core.errors import Busy, NeedsDirectUrl, NotAllowed, UnsuitableDatabase
from portal.postgres.sentences import sentence_of

P = ParamSpec("P")
R = TypeVar("R")

PLAIN = (DBAPIError, PoolTimeout, NeedsDirectUrl, UnsuitableDatabase, NotAllowed, Busy)
WRAPPED: set[Callable[..., object]] = set()


def init_app(app: Flask) -> None:
    """Wrap every command. Flask-Migrate's follow when they are loaded (cli/migrating.py)."""
    wrap(app.cli)


def wrap(command: click.Command) -> None:
    """Wrap the callbacks of a command and of all below it."""
    pending = [command]
    for command in pending:
        pending += command.commands.values() if isinstance(command, click.Group) else []
        if command.callback and command.callback not in WRAPPED:  # unless another application already wrapped it
            command.callback = plainly(command.callback)
            WRAPPED.add(command.callback)


def plainly(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except PLAIN as error:
            sentence = sentence_of(error)
            if sentence is None:
                raise
            raise click.ClickException(sentence) from None

    return run
