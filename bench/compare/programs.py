"""The programs that are compared: how each is started, served, signed in to and ended."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.__main__ import KEY
from bench.compare.browser import Browser, form_of
from bench.compare.rows import PASSWORD, Rows, token_of
from portal.config import ROOT

SERVED_ALIKE = ("worker_class =", "workers =", "threads =", "graceful_timeout =", "keepalive =", "control_socket_")
START_SECONDS = 60
# By default the portal refuses requests beyond its limits. Here it answers all, as the others do.
WITHOUT_REFUSALS = {"PORTAL_CONCURRENT_REQUESTS": "1000", "PORTAL_POOL_TIMEOUT": "60"}
PEERS = ("django", "flask-admin")
NAMES = ("floor", "portal", *PEERS)
TITLES = {"floor": "floor", "portal": "portal", "django": "Django admin", "flask-admin": "Flask-Admin"}
MODULES = {
    "floor": "bench.compare.floor:app",
    "portal": "wsgi:app",
    "django": "bench.peers.django_admin:app",
    "flask-admin": "bench.peers.flask_admin:app",
}


@dataclass(frozen=True)
class Program:
    """A running program."""

    name: str
    port: int
    process: psutil.Process

    @property
    def memory(self) -> float:
        """The unique memory of a worker in MiB, on average."""
        workers = self.process.children()
        return sum(worker.memory_full_info().uss for worker in workers) / len(workers) / 2**20


def environment_of_peers(folder: Path) -> Path:
    """The peers' Python, installed the first time and when peers.txt changes."""
    wanted, done = ROOT / "bench" / "peers.txt", folder / "peers" / "installed.txt"
    python = folder / "peers" / "bin" / "python"
    if not done.exists() or done.read_text() != wanted.read_text():
        print("Installing the peers (once, a minute or so) ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "peers"], check=True)  # noqa: S603
        pip: list[str | Path] = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            wanted,
        ]
        subprocess.run(pip, check=True)  # noqa: S603
        done.write_text(wanted.read_text())
    return python


@contextmanager
def serving(name: str, rows: Rows, folder: Path) -> Iterator[Program]:
    """Serve a program during the block, and end all of its processes afterwards."""
    python = environment_of_peers(folder) if name in PEERS else Path(sys.executable)
    environment = _environment(rows, folder)
    if name == "django":
        _make_tables_of_django(python, environment)
    port = _free_port()
    config = ROOT / "gunicorn.conf.py" if name == "portal" else _served_alike(folder)
    command: list[str | Path] = [
        python,
        "-m",
        "gunicorn",
        "--config",
        config,
        "--bind",
        f"127.0.0.1:{port}",
        MODULES[name],
    ]
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield Program(name, port, psutil.Process(process.pid))
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children: gently first."""
    with suppress(psutil.NoSuchProcess):
        everyone = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10)
        for one in everyone:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(everyone, timeout=2)
    process.kill()
    process.wait()


def _environment(rows: Rows, folder: Path) -> dict[str, str]:
    """Nothing of the installation that the shell is configured for."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PORTAL_", "SECRET_KEY", "DIRECT"))
    }
    own = {"DATABASE_URL": rows.url, "SECRET_KEY": KEY, "PORTAL_INSTANCE": str(folder / "instance")}
    return {**kept, **own, **WITHOUT_REFUSALS, "PYTHONPATH": str(ROOT)}


def _served_alike(folder: Path) -> Path:
    """The portal's settings of gunicorn, without what is only the portal's."""
    path = folder / "gunicorn.conf.py"
    lines = (ROOT / "gunicorn.conf.py").read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if line.startswith(SERVED_ALIKE)))
    return path


def _make_tables_of_django(python: Path, environment: dict[str, str]) -> None:
    told = {**environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    command: list[str | Path] = [python, "-m", "bench.peers.django_admin"]
    subprocess.run([*command, "migrate", "--verbosity", "0"], cwd=ROOT, env=told, check=True)  # noqa: S603
    create: list[str | Path] = [
        *command,
        "createsuperuser",
        "--noinput",
        "--username",
        "bench",
        "--email",
        "bench@example.com",
    ]
    subprocess.run(create, cwd=ROOT, env=told, check=False, capture_output=True)  # noqa: S603 -- exists the second time


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            Browser(port).get("/")
            return
        time.sleep(0.1)
    raise SystemExit(f"{log.stem} did not start:\n{log.read_text()[-3000:]}")


def signed_in(program: Program, email: str, rows: Rows) -> Browser:
    browser = Browser(program.port)
    SIGN_INS[program.name](browser, email, rows)
    return browser


def _sign_in_to_floor(browser: Browser, email: str, rows: Rows) -> None:
    browser.cookies["session"] = token_of(email)


def _sign_in_to_portal(browser: Browser, email: str, rows: Rows) -> None:
    fields = form_of(browser.get("/login")[1], "password")
    _expect(browser.post("/login", {**fields, "email": email, "password": PASSWORD}), 303)


def _sign_in_to_django(browser: Browser, email: str, rows: Rows) -> None:
    fields = form_of(browser.get("/login/?next=/")[1], "password")
    _expect(browser.post("/login/", {**fields, "username": "bench", "password": PASSWORD}), 302)


def _sign_in_to_flask_admin(browser: Browser, email: str, rows: Rows) -> None:
    _expect(browser.get(f"/enter?user={rows.super_admin}"), 302)


SIGN_INS: dict[str, Callable[[Browser, str, Rows], None]] = {
    "floor": _sign_in_to_floor,
    "portal": _sign_in_to_portal,
    "django": _sign_in_to_django,
    "flask-admin": _sign_in_to_flask_admin,
}


def _expect(answer: tuple[int, str], status: int) -> None:
    if answer[0] != status:
        text = re.sub(r"<[^>]+>|\s+", " ", answer[1])[:500]
        raise SystemExit(f"Signing in answered {answer[0]} instead of {status}: {text}")
