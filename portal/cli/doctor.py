"""Is everything as it should be? One line for each check: green, or what to do."""

from __future__ import annotations

from collections.abc import Sequence

import click
from flask import current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from portal.cli.plain import sentence_of
from portal.config import Settings
from portal.core.actor import SYSTEM
from portal.core.checks import Ailing, Check
from portal.core.db import acting_as, db, without_time_limit
from portal.core.lines import one_line

UNREACHABLE = "The database can't be worked with at the moment."


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check the installation, line by line; exit code 1 if something is to be done."""
    checks: Sequence[Check] = current_app.extensions["portal_checks"]
    ailing = 0
    problem = _problem_of_connection()
    for check in checks:
        if problem and check.needs_database:
            continue
        ailing += not _tell(check)
    if problem:
        left_out = sum(check.needs_database for check in checks)
        _line("no", "connection", f"{problem} {left_out} checks were left out.")
    if ailing or problem:
        raise SystemExit(1)


def _problem_of_connection() -> str | None:
    try:
        with acting_as(SYSTEM):
            db.session.connection()
    except (DBAPIError, PoolTimeout) as error:
        settings: Settings = current_app.extensions["portal"]
        if settings.database_url is None:
            return "The portal's own server does not run: `flask serve` starts it."
        return sentence_of(error) or UNREACHABLE
    return None


def _tell(check: Check) -> bool:
    """Say what one check finds, and whether that is well."""
    try:
        with acting_as(SYSTEM):
            if check.needs_database:
                with without_time_limit():
                    found = check.look()
            else:
                found = check.look()
    except Ailing as error:
        _line("no", check.name, str(error))
        return False
    except (DBAPIError, PoolTimeout) as error:
        _line("no", check.name, sentence_of(error) or f"can't be looked at ({type(error).__name__}).")
        return False
    _line("ok", check.name, found)
    return True


def _line(mark: str, name: str, words: str) -> None:
    colour = "green" if mark == "ok" else "red"
    click.echo(f"{click.style(mark, fg=colour, bold=True)}  {name}: {one_line(words)}")
