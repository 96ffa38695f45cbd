"""`flask serve`, as run by `make run`, starts, responds, stops cleanly and keeps its data."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from portal.config import ROOT
from tests.database import SECRET_KEY, Server


class Run:
    """One `flask serve` in its own process. `lines` is its output until it was up."""

    def __init__(self, instance: Path, **environment: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "flask", "--app", "wsgi", "serve"],
            cwd=ROOT,
            env={**os.environ, "PORTAL_INSTANCE": str(instance), "PORTAL_SEAL_SECONDS": "0", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self.address = self._read_address()

    def _read_address(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"http://localhost:\d+", line):
                return found.group()
        self.process.wait(timeout=60)
        self.process.stdout.close()
        raise AssertionError("".join(self.lines))

    def get(self, path: str) -> int:
        with urllib.request.urlopen(self.address + path, timeout=60) as response:  # noqa: S310
            return int(response.status)

    def end(self, with_signal: int) -> tuple[int, str]:
        """Signal the whole process group, as a terminal does, and return exit code and remaining output."""
        os.killpg(self.process.pid, with_signal)
        return self.process.wait(timeout=60), self.rest_of_output()

    def rest_of_output(self) -> str:
        """The rest of the output. `communicate` would lose what iterating has buffered."""
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            words = stream.read()
        self.process.wait(timeout=60)
        return words


@contextmanager
def running(instance: Path, **environment: str) -> Iterator[Run]:
    run = Run(instance, **environment)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.end(signal.SIGTERM)


def servers_on(instance: Path) -> list[psutil.Process]:
    """The PostgreSQL processes whose files are in this instance."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()).is_relative_to(instance):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shared by these tests, because creating the demo data takes a while."""
    return tmp_path_factory.mktemp("instance")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_server_responds_prints_the_demo_accounts_and_stops_with_its_database(instance: Path, ending: int) -> None:
    with running(instance) as run:
        status = run.get("/healthz")
        code, words = run.end(ending)

    assert status == 200
    assert code == 0
    assert "Traceback" not in words
    assert "@" in words
    assert servers_on(instance) == []


def test_localhost_means_both_loopback_addresses_and_no_other(instance: Path) -> None:
    with running(instance) as run:
        port = int(run.address.rpartition(":")[2])
        process = psutil.Process(run.process.pid)
        listening = {one.laddr for one in process.net_connections() if one.status == psutil.CONN_LISTEN}

    assert run.address == f"http://localhost:{port}"
    assert ("127.0.0.1", port) in listening
    assert listening <= {("127.0.0.1", port), ("::1", port)}


def test_a_second_start_keeps_the_data_even_after_everything_was_killed(instance: Path) -> None:
    with running(instance) as run:
        for process in (*servers_on(instance), psutil.Process(run.process.pid)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        run.rest_of_output()

    with running(instance) as run:
        assert run.get("/healthz") == 200
        assert not any("demo data" in line for line in run.lines)


def test_killing_only_the_portal_leaves_a_database_that_the_next_start_uses(instance: Path) -> None:
    with running(instance) as run:
        run.get("/healthz")
        children = psutil.Process(run.process.pid).children()
        workers = [process for process in children if process.name() != "postgres"]
        run.process.kill()
        _, alive = psutil.wait_procs(workers, timeout=60)
        run.rest_of_output()

    assert workers
    assert not alive
    assert servers_on(instance)
    with running(instance) as run:
        assert run.get("/healthz") == 200


def test_a_requested_port_that_is_in_use_is_refused(instance: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        with pytest.raises(AssertionError, match=f"Port {port} is in use"), running(instance, PORT=port):
            pass


def test_two_portals_can_run_side_by_side(instance: Path) -> None:
    with running(instance) as first, running(instance) as second:
        assert first.address != second.address
        first.end(signal.SIGINT)
        assert second.get("/healthz") == 200


def test_the_portal_starts_even_if_the_database_does_not_respond(instance: Path) -> None:
    with running(instance, DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", SECRET_KEY=SECRET_KEY) as run:
        assert any("does not respond yet" in line for line in run.lines)
        assert run.get("/healthz") == 200


def test_pending_migrations_of_an_external_database_are_reported_but_not_run(
    instance: Path, database_server: Server
) -> None:
    empty = database_server.create("unmigrated")

    with running(instance, DATABASE_URL=empty, SECRET_KEY=SECRET_KEY) as run:
        code, words = run.end(signal.SIGINT)

    assert "Migrations are pending: run `flask db upgrade`.\n" in run.lines
    assert (code, "password" in words) == (0, False)
    assert database_server.tables("unmigrated") == 0
