"""The command `flask database adopt`, which takes over the former backend's database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
from flask.cli import with_appcontext
from sqlalchemy import Connection

from portal.adoption import prisma, takeover
from portal.adoption.unconvertible import Spelling, Unconvertible, spelling_of, unconvertible
from portal.core.db import direct_engine
from portal.core.lines import one_line
from portal.web.given import current_settings

COUNTS = {
    ("organizations", "deleted"): "SELECT count(*), count(deleted_at) FROM organizations",
    ("people", "deleted"): "SELECT count(*), count(deleted_at) FROM users",
    ("refresh tokens", "revoked"): "SELECT count(*), count(revoked_at) FROM refresh_tokens",
}
STILL = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@dataclass(frozen=True)
class Plan:
    """The contents of the database, and the consequences of taking it over."""

    obstacles: list[str]
    counts: list[str]
    unconvertible: list[Unconvertible]
    notices: list[str]
    spelling: Spelling

    @property
    def is_blocked(self) -> bool:
        return bool(self.obstacles) or any(one.blocks for one in self.unconvertible)


@click.command("adopt")
@click.option(
    "--dry-run", is_flag=True, help="Show what would happen, without changes. Exit code 1 if it isn't possible."
)
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
@click.option("--drop", is_flag=True, help="Drop the former tables, which an adoption keeps.")
@with_appcontext
def adopt(dry_run: bool, yes: bool, drop: bool) -> None:
    """Take over the former backend's database in one transaction."""
    settings = current_settings()
    if settings.database_url is None:
        raise click.ClickException("Set DATABASE_URL to the database to take over.")
    if drop:
        _drop(dry_run=dry_run, yes=yes)
        return
    plan = _plan()
    _print(plan)
    if plan.is_blocked:
        raise click.ClickException("The database can't be taken over as it is. Nothing was changed.")
    if dry_run:
        click.echo("The database can be taken over. Nothing was changed.")
        return
    if not yes:
        click.confirm("Take over the database now? Make sure that you have a backup.", abort=True)
    _convert()


def _plan() -> Plan:
    with direct_engine().connect() as connection, connection.begin():
        connection.exec_driver_sql(STILL)
        connection.exec_driver_sql("SELECT set_config('statement_timeout', '0', true)")
        return _planned(connection)


def _planned(connection: Connection) -> Plan:
    if obstacles := prisma.obstacles(connection):
        return Plan(obstacles, [], [], [], Spelling())
    counts = []
    for (name, state), query in COUNTS.items():
        every, some = connection.exec_driver_sql(query).one()
        counts.append(f"{every:>12,} {name}, {some:,} of them {state}")
    spelling = spelling_of(connection)
    return Plan([], counts, unconvertible(connection, spelling), list(prisma.notices(connection)), spelling)


def _convert() -> None:
    """Check the rows again, now that nobody else can change them, and convert them."""
    with _alone() as connection:
        plan = _planned(connection)
        if plan.is_blocked:
            _print(plan)
            raise click.ClickException(
                "The database was changed in the meantime and can't be taken over. The adoption changed nothing."
            )
        moved = takeover.take_over(connection, plan.spelling)
    click.echo(
        f"Taken over: {moved['organizations']:,} organizations, {moved['users']:,} people,"
        f" {moved['refresh_tokens']:,} refresh tokens."
    )
    click.echo(
        f"The former tables are kept in the schema {prisma.KEPT}, without the tokens;"
        " `flask database adopt --drop` drops them."
    )


def _drop(*, dry_run: bool, yes: bool) -> None:
    with direct_engine().connect() as connection, connection.begin():
        kept = takeover.kept(connection)
    if not kept:
        raise click.ClickException("There are no former tables to drop.")
    click.echo(f"Tables in the schema {prisma.KEPT}: {', '.join(kept)}.")
    if dry_run:
        return
    if not yes:
        click.confirm("Drop them permanently?", abort=True)
    with _alone() as connection:
        takeover.drop(connection)
    click.echo("Dropped.")


@contextmanager
def _alone() -> Iterator[Connection]:
    """A transaction that locks out other migrations."""
    with direct_engine().connect() as connection, connection.begin():
        takeover.lock(connection)
        yield connection


def _print(plan: Plan) -> None:
    for line in plan.counts:
        click.echo(line)
    _tell_all("Changed or left out", (_words(one) for one in plan.unconvertible if not one.blocks))
    _tell_all("Note", plan.notices)
    _tell_all("Problems", (*plan.obstacles, *(_words(one) for one in plan.unconvertible if one.blocks)))


def _tell_all(title: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines):
        if not number:
            click.echo(f"{title}:")
        click.echo(one_line(f"  {line}"))


def _words(kind: Unconvertible) -> str:
    more = ", ..." if kind.many > len(kind.examples) else ""
    return f"{kind.what[0].upper()}{kind.what[1:]}: {kind.many:,} ({', '.join(kind.examples)}{more})"
