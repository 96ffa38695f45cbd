"""Nobody notices that the portal is stopped or restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from portal.config import ROOT
from tests.database import SECRET_KEY
from tests.pooler.conftest import wait_for
from tests.ports import free_port
from tests.reliability.browser import Answer, Browser
from tests.reliability.serving import serving
from tests.reliability.test_database_trouble import locked, root_on, signed_in
from tests.rounds import rounds
from tests.waiting import until, until_blocked

RESTARTS = rounds("RESTARTS", 4)
TOKEN = "what-prometheus-says-0123456789-abcdef"


@contextmanager
def in_production(database_url: str, folder: Path, **environment: str) -> Iterator[tuple[psutil.Process, str]]:
    """Gunicorn as README.md says to run it: its master process and its URL."""
    port = free_port()
    settings = {"DATABASE_URL": database_url, "SECRET_KEY": SECRET_KEY, **environment}
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", f"127.0.0.1:{port}"],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(port)
        yield psutil.Process(process.pid), f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def restart(master: psutil.Process) -> None:
    """Replace the workers by new ones, while the old ones finish their requests."""
    old = {worker.pid for worker in master.children()}
    master.send_signal(signal.SIGHUP)
    until(lambda: not old & {worker.pid for worker in master.children()}, "the old workers are still there")


def processors_of(master: psutil.Process) -> list[list[int]]:
    return sorted(worker.cpu_affinity() for worker in master.children())


def expected_processors() -> list[list[int]]:
    """Each of the two processes has its own, if there are as many."""
    own = sorted(os.sched_getaffinity(0))
    return [[one] for one in own] if len(own) == 2 else [own, own]


def test_re10_a_rolling_restart_fails_no_request(fresh_database: str, tmp_path: Path) -> None:
    root = root_on(fresh_database)
    stopped = threading.Event()
    statuses: Counter[int | str] = Counter()

    def visit(browser: Browser) -> None:
        while not stopped.is_set():
            try:
                statuses[browser.get("/users/").status] += 1
            except OSError as error:
                statuses[type(error).__name__] += 1

    with in_production(fresh_database, tmp_path) as (master, address), ThreadPoolExecutor(4) as pool:
        cookies = signed_in(address, root).cookies
        visits = [pool.submit(visit, Browser(address, dict(cookies))) for _ in range(4)]
        try:
            for number in range(1, RESTARTS + 1):
                restart(master)
                until(lambda least=4 * number: statuses.total() > least, "nobody was served")  # type: ignore[misc]
                until(lambda: processors_of(master) == expected_processors(), "the processes share a processor")
        finally:
            stopped.set()
        for one in visits:
            one.result(timeout=60)

    assert set(statuses) == {200}, statuses


def test_re10_a_running_request_is_finished_after_sigterm(fresh_database: str, tmp_path: Path) -> None:
    root = root_on(fresh_database)
    answers: list[Answer] = []
    with serving(fresh_database, tmp_path) as run:
        browser = signed_in(run.address, root)
        visit = threading.Thread(target=lambda: answers.append(browser.get("/organizations/")))
        with locked(fresh_database, "organizations"):
            visit.start()
            until_blocked(fresh_database)
            psutil.Process(run.process_id).send_signal(signal.SIGTERM)
            time.sleep(1)  # in which the portal would end the request if it didn't wait for it
        visit.join(timeout=60)

    assert [answer.status for answer in answers] == [200]


def test_the_processes_of_a_server_add_up_their_metrics(fresh_database: str, tmp_path: Path) -> None:
    folder = tmp_path / "numbers"
    folder.mkdir()
    settings = {"PORTAL_METRICS_TOKEN": TOKEN, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    with in_production(fresh_database, tmp_path, **settings) as (master, address):
        visitor = Browser(address)
        for _ in range(20):
            assert visitor.get("/login").status == 200
        restart(master)
        visitor.get("/login")
        text = numbers(address)

    assert 'portal_requests_total{endpoint="auth.login",method="GET",status="200"} 21.0' in text
    assert "portal_pool_in_use 0.0" in text
    assert "portal_seal_lag_seconds 0.0" in text


def numbers(address: str) -> str:
    answer = Browser(address, headers={"Authorization": f"Bearer {TOKEN}"}).get("/metrics")
    assert answer.status == 200
    return answer.text
