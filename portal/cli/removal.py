"""The commands `flask users purge` and `flask organizations purge`: remove rows permanently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import func, select

from portal.cli.parameters import Line
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.core.email_addresses import lookup_email
from portal.core.errors import Conflict
from portal.core.lines import one_line
from portal.core.records import Records
from portal.organizations.commands import organizations
from portal.organizations.models import LONGEST_SLUG, Organization
from portal.users.commands import users
from portal.users.models import User

NONE = "There is no {} {}."
NOT_DELETED = "{} isn't deleted. Use --delete to delete it first."
PERMANENT = "{} will be permanently deleted, with everything that belongs to it, and erased from the history."


def options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of both commands."""
    command = click.option("--delete", "deletes", is_flag=True, help="Delete it first if it isn't deleted.")(command)
    return click.option("--yes", is_flag=True, help="Don't ask.")(command)


@click.command("purge")
@click.argument("email", type=lookup_email)
@options
@with_appcontext
def purge_person(email: str, deletes: bool, yes: bool) -> None:
    """Permanently delete deleted people with this address, and erase their values in the history."""
    _purge(users, email, func.lower(User.email) == email, deletes=deletes, yes=yes)


@click.command("purge")
@click.argument("slug", type=Line(LONGEST_SLUG))
@options
@with_appcontext
def purge_organization(slug: str, deletes: bool, yes: bool) -> None:
    """Permanently delete deleted organizations with this slug, with all their people and teams."""
    _purge(organizations, slug, Organization.slug == slug, deletes=deletes, yes=yes)


def _purge(records: Records[Any], name: str, condition: Any, *, deletes: bool, yes: bool) -> None:
    with acting_as(SYSTEM):
        rows = _chosen(records, name, condition, deletes=deletes)
        click.echo(one_line(PERMANENT.format(name)))
        if not yes:
            click.confirm("Continue?", abort=True)
        for key, is_deleted in [(row.id, row.is_deleted) for row in rows]:
            try:
                if not is_deleted:
                    records.delete(key)
                records.purge(key)
            except Conflict as conflict:
                raise click.ClickException(one_line(conflict.message)) from None
    click.echo(one_line(f"{name} is permanently deleted."))


def _chosen(records: Records[Any], name: str, condition: Any, *, deletes: bool) -> Sequence[Any]:
    """The rows to remove: those that are deleted, or all."""
    found = db.session.scalars(select(records.model).where(condition), execution_options={"with_deleted": True}).all()
    rows = [row for row in found if deletes or row.is_deleted]
    if not rows:
        message = NOT_DELETED.format(name) if found else NONE.format(records.noun, name)
        raise click.ClickException(one_line(message))
    return rows
