"""The command `flask doctor`: one line per check, with its result or the solution."""

from __future__ import annotations

from collections.abc import Sequence

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from portal.core.actor import SYSTEM
from portal.core.checks import Check, CheckFailed
from portal.core.db import acting_as, db, without_time_limit
from portal.core.lines import one_line
from portal.postgres import migrations
from portal.postgres.preflight import obstacles
from portal.postgres.sentences import sentence_of
from portal.web.given import Given, current_settings

checks: Given[Sequence[Check]] = Given("checks")
UNREACHABLE = "The database is currently unavailable."


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check the installation. Exit code 1 if something has to be fixed."""
    problem = _problem_of_connection()
    if not problem and (first := _before_migrations()):
        _line("no", "migrations", first)
        raise SystemExit(1)
    failed, is_blocked, skipped = 0, bool(problem), 0
    for check in checks():
        if is_blocked and check.needs_database:
            skipped += 1
            continue
        has_passed = _run(check)
        failed += not has_passed
        is_blocked = is_blocked or (check.blocks and not has_passed)
    if skipped:
        _line("no", "connection" if problem else "the rest", f"{problem or ''} {skipped} checks were skipped.".strip())
    if failed or problem:
        raise SystemExit(1)


def _before_migrations() -> str | None:
    """The only problem to report if no migration has been applied yet."""
    with acting_as(SYSTEM):
        connection = db.session.connection()
        if migrations.applied(connection) & migrations.known():
            return None
        return next(obstacles(connection, list(db.metadata.tables)), "none applied yet: run `flask db upgrade`.")


def _problem_of_connection() -> str | None:
    try:
        with acting_as(SYSTEM):
            db.session.connection()
    except (DBAPIError, PoolTimeout) as error:
        settings = current_settings()
        if settings.database_url is None:
            return "The embedded server isn't running: start it with `flask serve`."
        return sentence_of(error) or UNREACHABLE
    return None


def _run(check: Check) -> bool:
    """Run a check and print its result. Returns whether it passed."""
    try:
        with acting_as(SYSTEM):
            if check.needs_database:
                with without_time_limit():
                    found = check.run()
            else:
                found = check.run()
    except CheckFailed as error:
        _line("no", check.name, str(error))
        return False
    except (DBAPIError, PoolTimeout) as error:
        _line("no", check.name, sentence_of(error) or f"could not be checked ({type(error).__name__}).")
        return False
    _line("ok", check.name, found)
    return True


def _line(mark: str, name: str, words: str) -> None:
    colour = "green" if mark == "ok" else "red"
    click.echo(f"{click.style(mark, fg=colour, bold=True)}  {name}: {one_line(words)}")
