"""The command `flask worker`."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from portal.mail.queue import work_on
from portal.web.given import current_settings, served_at


@click.command("worker")
@with_appcontext
def worker() -> None:
    """Send emails and run jobs until Ctrl-C. What has begun is finished first."""
    settings = current_settings()
    if not (settings.public_url or settings.missing_for_mail):  # a demo, whose server may have chosen another port
        click.echo(f"Links in emails lead to {served_at()}. Set PORTAL_URL if the portal has another URL.")
    work_on(current_app._get_current_object(), with_signals=True)  # type: ignore[attr-defined]
