"""The pooler of these tests, and a notice if there is none."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from tests.database import Server
from tests.ports import free_port

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
IS_REQUIRED = os.environ.get("PORTAL_REQUIRE_POOLER", "") not in ("", "0")
MISSING = "The tests through a pooler were left out: no PgBouncer found (Debian: apt-get install pgbouncer)."
collect_ignore_glob = [] if PROGRAM or IS_REQUIRED else ["test_*.py"]

CONFIGURATION = """
[databases]
{name} = host={host} port={port} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
"""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not PROGRAM and not IS_REQUIRED:
        terminalreporter.write_line(MISSING)


@pytest.fixture
def direct_url(database_server: Server, template_database: str) -> Iterator[str]:
    yield database_server.create("pooled", template=template_database)
    database_server.drop("pooled")


@pytest.fixture
def pooled_url(direct_url: str, tmp_path: Path) -> Iterator[str]:
    """The same database through PgBouncer, whose connections all transactions share, in Prisma's notation."""
    assert PROGRAM is not None, MISSING
    url, port = make_url(direct_url), free_port()
    configuration = tmp_path / "pgbouncer.ini"
    configuration.write_text(configuration_of(url, port), encoding="utf-8")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    allow_access(Path(str(url.query.get("host", ""))).parent)
    socket_of = Path(str(url.query.get("host", "")))
    user = ["-u", socket_of.owner() if socket_of.is_absolute() else "nobody"] if os.getuid() == 0 else []
    process = subprocess.Popen([PROGRAM, *user, str(configuration)], stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        wait_for(port)
        pooled = url.set(drivername="postgresql", host="127.0.0.1", port=port, query={})
        yield f"{pooled.render_as_string(hide_password=False)}?schema=public&pgbouncer=true&connection_limit=10"
    finally:
        process.terminate()
        process.wait(timeout=60)


def configuration_of(url: URL, own_port: int) -> str:
    host = url.host or url.query["host"]
    login = f" user={url.username} password={url.password or 'none'}"
    port = url.port or url.query.get("port", 5432)
    text = CONFIGURATION.format(name=url.database, host=host, port=port, own_port=own_port)
    return text.replace(f"dbname={url.database}", f"dbname={url.database}{login}")


def allow_access(folder: Path) -> None:
    """Let PgBouncer, which never runs as root, reach the socket of the tests' own server."""
    if folder.name.startswith("portal-test-"):
        folder.chmod(0o711)


def wait_for(port: int) -> None:
    for _ in range(1200):  # a busy machine may be slow
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")
