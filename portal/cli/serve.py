"""The command `flask serve`: run the portal."""

from __future__ import annotations

import contextvars
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any, NoReturn

import click
from flask import Flask
from flask.cli import ScriptInfo
from gunicorn.app.base import BaseApplication
from sqlalchemy.exc import OperationalError

from portal.cli.migrating import upgrade
from portal.config import Settings
from portal.core.db import db
from portal.core.errors import UnsuitableDatabase
from portal.demo import DEMO_ACCOUNTS, DEMO_PASSWORD
from portal.demo_data import seed
from portal.postgres import migrations
from portal.postgres.embedded import Embedded, EmbeddedError
from portal.postgres.sentences import sentence_of
from portal.web.given import Given, current_settings, served_at

LOCAL = "localhost"  # browsers allow passkeys here without https, but not at 127.0.0.1
LOOPBACK = ("127.0.0.1", "::1")  # browsers resolve localhost to either
PORTS = range(8000, 8100)
DEMO_PEOPLE = 5_000


class Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn in this process. It ends together with it and writes no files."""

    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self.app = app
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self.app


@click.command("serve")
@click.option("--host", default=LOCAL, show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), envvar="PORT", help="The port. Default: the first free one from 8000."
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of processes.")
@click.option(
    "--threads", type=click.IntRange(1, 256), default=32, show_default=True, help="Number of threads per process."
)
@click.option("--sql", is_flag=True, help="Log the SQL statements of each request, like PORTAL_SQL=1.")
@click.pass_obj
def serve(info: ScriptInfo, host: str, port: int | None, workers: int, threads: int, sql: bool) -> None:
    """Serve the portal until Ctrl-C. Without DATABASE_URL, use an embedded database."""
    app = info.load_app()
    if sql:
        current_settings.set(app, replace(current_settings.of(app), sql=True))
    settings = current_settings.of(app)
    with _ending_quietly(), own_server(settings):
        prepare(app, settings)
        hosts = _hosts(host)
        port = port or _free_port(hosts)
        _refuse_a_port_in_use(hosts, port)
        address = f"http://{_written(host)}:{port}"
        served_at.set(app, address)
        options = _options([f"{_written(one)}:{port}" for one in hosts], workers=workers, threads=threads)
        options["when_ready"] = lambda _: _when_ready(address, settings)
        options["post_worker_init"] = lambda _: _begin_beside_pages(app)
        contextvars.Context().run(Server(app, options).run)


background: Given[Sequence[Callable[[Flask], None]]] = Given("work beside pages")


def _begin_beside_pages(app: Flask) -> None:
    for begin in background.of(app):
        begin(app)


def prepare(app: Flask, settings: Settings) -> None:
    """Prepare the database, and close all connections, so that workers inherit none."""
    with app.app_context():
        if settings.database_url is None:
            prepare_demo()
        else:
            _report_pending_migrations()
        db.session.remove()
        db.engine.dispose()


def prepare_demo() -> None:
    """Migrate the embedded database, and fill it with demo data if it is empty."""
    upgrade()
    if seed.is_empty():
        click.echo(f"Creating demo data: {DEMO_PEOPLE:,} people ...")
        seed.seed_demo(people=DEMO_PEOPLE)


def _report_pending_migrations() -> None:
    """Report pending migrations of an operator's database, which is never migrated at start."""
    try:
        with db.engine.connect() as connection:
            is_pending = migrations.are_pending(connection)
    except OperationalError as error:
        if isinstance(error.orig, UnsuitableDatabase):
            raise
        click.echo(f"The database does not respond yet; starting anyway. {sentence_of(error) or ''}".strip(), err=True)
        return
    if is_pending:
        click.echo("Migrations are pending: run `flask db upgrade`.", err=True)


@contextmanager
def own_server(settings: Settings) -> Iterator[None]:
    """Run the embedded database during the block, unless DATABASE_URL is set."""
    if settings.database_url is not None:
        yield
        return
    try:
        with Embedded.of(settings.instance).running():
            yield
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _ending_quietly() -> Iterator[None]:
    """Exit with code 0 on Ctrl-C and SIGTERM at any moment, and allow time to stop the database."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)
        raise SystemExit(0)

    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, end)
    yield


def _options(bound: list[str], *, workers: int, threads: int) -> dict[str, Any]:
    return {
        "bind": bound,
        "worker_class": "gthread",
        "workers": workers,
        "threads": threads,
        "graceful_timeout": 15,  # longer than any statement of a page
        "keepalive": 5,
        "loglevel": "warning",
        "errorlog": "-",
        "accesslog": None,
        "control_socket_disable": True,
        "forwarded_allow_ips": "",  # PORTAL_TRUSTED_PROXIES decides which proxies are trusted
    }


def _when_ready(address: str, settings: Settings) -> None:
    """Announce the URL. Exit when the terminal is closed, instead of reloading like Gunicorn."""
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    _announce(address, settings)


def _announce(address: str, settings: Settings) -> None:
    click.echo(f"Portal is running at {address}{settings.root}/ (stop it with Ctrl-C)")
    if settings.database_url is None:
        click.echo("Sign in as")
        for label, email in DEMO_ACCOUNTS:
            click.echo(f"  {label}: {email}")
        click.echo(f"  Password for all: {DEMO_PASSWORD}")


def _hosts(host: str) -> tuple[str, ...]:
    """The addresses of localhost. Any other host is returned unchanged."""
    return tuple(one for one in LOOPBACK if _is_free(one, 0)) if host == LOCAL else (host,)


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _free_port(hosts: Sequence[str]) -> int:
    for port in PORTS:
        if all(_is_free(host, port) for host in hosts):
            return port
    raise click.ClickException(f"No port from {PORTS[0]} to {PORTS[-1]} is free. Choose one with --port.")


def _refuse_a_port_in_use(hosts: Sequence[str], port: int) -> None:
    if not all(_is_free(host, port) for host in hosts):
        raise click.ClickException(f"Port {port} is in use. Choose another one with --port.")


def _is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
