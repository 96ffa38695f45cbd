"""The command `flask tenancy check`: visit every page of one temporary tenant, and search for rows of another."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import click
from flask import Flask
from flask.cli import ScriptInfo

from portal.core.db import db
from portal.isolation import stage
from portal.isolation.rehearsal import rolled_back, without_filters, without_row_security
from portal.isolation.walk import NothingSeen, Walk

LAYERS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "both layers on": nullcontext,
    "scoping off": without_filters,
    "row-level security off": without_row_security,
}

tenancy = click.Group("tenancy", help="Test tenant isolation.")


@tenancy.command("check")
@click.option("--only", metavar="PATH", default="/", show_default=True, help="Visit only paths that begin with this.")
@click.pass_obj
def check_command(info: ScriptInfo, only: str) -> None:
    """Visit every page as an organization's administrator, and search for rows of another organization.

    Everything is rolled back.
    """
    try:
        requests, findings = contextvars.Context().run(check, info.load_app(), only)
    except stage.NoSamples as error:
        raise click.ClickException(str(error)) from None
    except NothingSeen:
        raise click.ClickException(
            "The self-test saw no rows, not even of its own organization, so its result means nothing."
        ) from None
    for finding in findings:
        click.echo(finding)
    if findings:
        raise SystemExit(1)
    click.echo(f"{requests:,} requests, no rows of another organization.")


def check(app: Flask, only: str = "/") -> tuple[int, list[str]]:
    """Visit all pages three times, so that each layer is also tested alone. Returns the requests, and the findings."""
    requests, findings = 0, list[str]()
    for name in LAYERS:
        click.echo(f"Visiting all pages, {name} ...", err=True)  # each takes a while
        walk = walked(app, name, only)
        requests += walk.requests
        findings += [f"{finding} ({name})" for finding in walk.findings]
    return requests, findings


def walked(app: Flask, layers: str, only: str = "/") -> Walk:
    """Run a walk with these layers. Call it outside application contexts."""
    with app.app_context():
        engine = db.engine
    with LAYERS[layers](), rolled_back(engine) as connection:
        walk = Walk(app, stage.set_up(app), connection)
        walk.run(only)
        return walk
