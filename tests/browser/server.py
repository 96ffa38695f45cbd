"""Run a portal in its own process for browser tests: `python -m tests.browser.server DATABASE-URL`."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import abort

from portal.cli.serve import Server
from portal.config import ROOT, Settings
from portal.web.guards import public
from tests.database import app_for

FAILING = "/failing/"  # URLs that end with an error's code respond with it, because some errors are hard to cause


@contextmanager
def served(database_url: str, *public_url: str) -> Iterator[str]:
    """Serve the portal as in production, by Gunicorn with threads, and yield its URL."""
    command = [sys.executable, "-m", "tests.browser.server", database_url, *public_url]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603
    with process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http"), "the portal did not start"
            yield url
        finally:
            process.send_signal(signal.SIGQUIT)  # stop at once, because no response is pending


def print_url(server: Any) -> None:
    """Print the URL, because the port was chosen by the operating system."""
    host, port = server.LISTENERS[0].getsockname()
    print(f"http://{host}:{port}", flush=True)  # noqa: T201


def main(database_url: str, public_url: str | None = None) -> None:
    options = {
        "bind": "127.0.0.1:0",
        "worker_class": "gthread",
        "threads": 8,
        "graceful_timeout": 1,
        "loglevel": "error",
        "control_socket_disable": True,
        "when_ready": print_url,
    }
    app = app_for(
        database_url,
        guesses_per_account=Settings.guesses_per_account,
        reauthentication_minutes=60,  # tests share sessions, and a slow machine takes long
        public_url=public_url,
    )
    app.add_url_rule(f"{FAILING}<int:code>", view_func=public(abort))
    Server(app, options).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
