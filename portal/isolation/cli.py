"""The command `flask tenancy check`: one temporary tenant looks for the other's rows."""

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
@click.option("--only", metavar="ADDRESS", default="/", show_default=True, help="Only paths that begin with this.")
@click.pass_obj
def check_command(info: ScriptInfo, only: str) -> None:
    """Visit every page as an organization's administrator, looking for another's rows. Everything is rolled back."""
    try:
        requests, findings = contextvars.Context().run(check, info.load_app(), only)
    except stage.NoSamples as error:
        raise click.ClickException(str(error)) from None
    except NothingSeen:
        raise click.ClickException(
            "The walk saw nothing, not even its own organization, so it proves nothing."
        ) from None
    for finding in findings:
        click.echo(finding)
    if findings:
        raise SystemExit(1)
    click.echo(f"{requests:,} requests, no rows of another tenant.")


def check(app: Flask, only: str = "/") -> tuple[int, list[str]]:
    """Walk three times, so that each layer is tested alone. Returns the number of requests, and a line per finding."""
    requests, findings = 0, list[str]()
    for name in LAYERS:
        click.echo(f"Walking with {name} ...", err=True)  # each takes a while
        walk = walked(app, name, only)
        requests += walk.requests
        findings += [f"{finding} ({name})" for finding in walk.findings]
    return requests, findings


def walked(app: Flask, layers: str, only: str = "/") -> Walk:
    """A walk with these layers. Call it outside of application contexts."""
    with app.app_context():
        engine = db.engine
    with LAYERS[layers](), rolled_back(engine) as connection:
        walk = Walk(app, stage.set_up(app), connection)
        walk.run(only)
        return walk
