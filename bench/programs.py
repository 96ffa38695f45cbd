"""The programs that are compared: how each is started, served, signed in to and ended."""

from __future__ import annotations

import ast
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import environments
from bench.browser import Browser, form_of
from bench.rows import KEY, PASSWORD, Rows, token_of
from bench.servers import GUNICORN
from portal.config import ROOT

SERVED_ALIKE = {
    "PROCESSORS",
    "worker_class",
    "workers",
    "threads",
    "graceful_timeout",
    "keepalive",
    "control_socket_disable",
    "pre_fork",
    "post_worker_init",
}
START_SECONDS = 60
PEERS = ("django", "flask-admin")
NAMES = ("floor", "portal", *PEERS)
TITLES = {"floor": "floor", "portal": "portal", "django": "Django admin", "flask-admin": "Flask-Admin"}
MODULES = {
    "floor": "bench.floor:app",
    "portal": "wsgi:app",
    "django": "bench.peers.django_admin:app",
    "flask-admin": "bench.peers.flask_admin:app",
}


@dataclass(frozen=True)
class Program:
    """A running program, and the rows that it shows."""

    name: str
    port: int
    process: psutil.Process
    rows: Rows

    @property
    def memory(self) -> tuple[float, float]:
        """A worker's own memory, and that with its share of what it shares with others, in MiB, on average."""
        workers = [one.memory_full_info() for one in self.process.children() or [self.process]]
        own, shared = (sum(values) for values in zip(*((one.uss, one.pss) for one in workers), strict=True))
        return own / len(workers) / 2**20, shared / len(workers) / 2**20


@contextmanager
def serving(
    name: str, rows: Rows, folder: Path, *, python: Path | None = None, arguments: Sequence[str] = ()
) -> Iterator[Program]:
    """Serve a program during the block, and end all of its processes afterwards. By default gunicorn serves it."""
    if name in PEERS:
        python = environments.environment(folder / "peers", sys.executable, environments.PEERS)
    elif name == "portal" and python is None:
        python = environments.environment(folder / "portal", sys.executable, environments.PORTAL)
    python = python or Path(sys.executable)
    environment = _environment(rows, folder)
    if name == "django":
        _make_tables_of_django(python, environment)
    port = _free_port()
    wanted = arguments or _gunicorn(name, folder)
    log = folder / f"{name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            [python, *(one.format(port=port) for one in wanted)],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(process, port, log)
        yield Program(name, port, psutil.Process(process.pid), rows)
        log.unlink()
    finally:
        end(process)


def _gunicorn(name: str, folder: Path) -> Sequence[str]:
    """All programs are served alike: with the portal's settings of gunicorn, without what is only the portal's."""
    if name == "portal":
        return GUNICORN
    path, source = folder / "gunicorn.conf.py", (ROOT / "gunicorn.conf.py").read_text()
    kept = [one for one in ast.parse(source).body if _is_for_all(one)]
    path.write_text("\n".join(map(ast.unparse, kept)))
    return ["-m", "gunicorn", "--config", str(path), "--bind", "127.0.0.1:{port}", MODULES[name]]


def _is_for_all(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in SERVED_ALIKE
        case ast.ImportFrom(module=module):
            return module in ("__future__", "typing", "gunicorn.workers.gthread")
        case ast.FunctionDef(name=name):
            return name in SERVED_ALIKE
    return isinstance(statement, ast.Import | ast.ClassDef)


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
    own["MALLOC_ARENA_MAX"] = "2"  # as in docs/systemd/portal.service
    return {**kept, **own, "PYTHONPATH": str(ROOT)}


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


def signed_in(program: Program, email: str) -> Browser:
    browser = Browser(program.port)
    SIGN_INS[program.name](browser, email, program.rows)
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
