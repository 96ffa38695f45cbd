"""Do tenants stay apart on this installation? One of two made for it looks for the other, and nothing of it stays."""

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

tenancy = click.Group("tenancy", help="What keeps organizations apart.")


@tenancy.command("check")
@click.option("--only", metavar="ADDRESS", default="/", show_default=True, help="Only addresses that begin so.")
@click.pass_obj
def check_command(info: ScriptInfo, only: str) -> None:
    """Walk every address as one organization's administrator, looking for another's rows; leaves nothing behind."""
    try:
        requests, findings = contextvars.Context().run(check, info.load_app(), only)
    except stage.NoSamples as error:
        raise click.ClickException(str(error)) from None
    except NothingSeen:
        raise click.ClickException(
            "The walk saw nothing, not even its own organization: it can't tell anything."
        ) from None
    for finding in findings:
        click.echo(finding)
    if findings:
        raise SystemExit(1)
    click.echo(f"{requests:,} requests, nothing of another tenant.")


def check(app: Flask, only: str = "/") -> tuple[int, list[str]]:
    """Three walks: each layer must hold alone. Returns how many requests were made, and a line for each finding."""
    requests, findings = 0, list[str]()
    for name in LAYERS:
        click.echo(f"Walking with {name} ...", err=True)  # each takes a while
        walk = walked(app, name, only)
        requests += walk.requests
        findings += [f"{finding} ({name})" for finding in walk.findings]
    return requests, findings


def walked(app: Flask, layers: str, only: str = "/") -> Walk:
    """One walk, with these layers. Call it where no application context is."""
    with app.app_context():
        engine = db.engine
    with LAYERS[layers](), rolled_back(engine) as connection:
        walk = Walk(app, stage.set_up(app), connection)
        walk.run(only)
        return walk
