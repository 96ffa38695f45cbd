"""The commands `flask organizations`: create and list organizations."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select
from wtforms import ValidationError

from portal.cli.parameters import Line
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.core.errors import Conflict
from portal.core.keys import uuid7
from portal.core.lines import one_line
from portal.core.terms import matches
from portal.organizations.commands import organizations
from portal.organizations.forms import LONGEST_NAME, valid_slug
from portal.organizations.models import LONGEST_SLUG, Organization, slug_of
from portal.organizations.queries import BY_NAME

COLUMNS = ("slug", "name", "created_at", "deleted_at")
Rows = Iterable[dict[str, Any]]

organizations_group = AppGroup("organizations", help="Create and list organizations, acting as the system.")


@organizations_group.command("create")
@click.argument("name", type=Line(LONGEST_NAME))
@click.option("--slug", type=Line(LONGEST_SLUG), help="The URL name. Derived from the name if omitted.")
def create_command(name: str, slug: str | None) -> None:
    """Create an organization."""
    if not name:
        raise click.ClickException("Enter a name for the organization.")
    chosen = slug or slug_of(name)
    if not chosen:
        raise click.ClickException(
            "No slug can be derived from this name. Choose one with --slug, like acme-logistics."
        )
    try:
        valid_slug(None, SimpleNamespace(data=chosen))
        with acting_as(SYSTEM):
            organizations.create({"name": name, "slug": chosen}, row_id=uuid7())
    except ValidationError as error:
        raise click.ClickException(str(error)) from None
    except Conflict as conflict:
        raise click.ClickException(one_line(conflict.message)) from None
    click.echo(one_line(f"Created {name} ({chosen})."))


@organizations_group.command("list")
@click.argument("search", default="")
@click.option("--deleted", is_flag=True, help="List deleted organizations.")
@click.option("--format", "kind", type=click.Choice(["text", "csv", "json"]), default="text", show_default=True)
def list_command(search: str, deleted: bool, kind: str) -> None:
    """List all organizations, or those that match SEARCH, by name."""
    found = select(*(getattr(Organization, column) for column in COLUMNS)).order_by(BY_NAME, Organization.id)
    if deleted:
        found = found.where(Organization.deleted_at.is_not(None))
    found = found.where(*matches(Organization.search_text, search))
    with acting_as(SYSTEM):
        rows = db.session.execute(found, execution_options={"with_deleted": deleted}).mappings().all()
    WRITERS[kind]([dict(row) for row in rows])


def _write_text(rows: Rows) -> None:
    for row in rows:
        click.echo(one_line(f"{row['slug']:<30} {row['name']}"))


def _write_csv(rows: Rows) -> None:
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else str(value) for name, value in row.items()} for row in rows)


def _write_json(rows: Rows) -> None:
    click.echo(json.dumps(list(rows), default=str, ensure_ascii=False, indent=2))


WRITERS: dict[str, Callable[[Rows], None]] = {"text": _write_text, "csv": _write_csv, "json": _write_json}
