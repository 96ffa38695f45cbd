"""The comparison with other programs: statistics, tables, and the pages of the floor and the portal."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import psutil
import pytest
from flask import Flask
from sqlalchemy import make_url
from werkzeug.serving import make_server

from bench.compare import floor, load, programs, rows, workloads
from bench.compare.__main__ import main
from bench.compare.browser import Browser, form_of
from bench.compare.figures import Figures, Round, details, percentile, ratios, summary, table
from bench.compare.load import Load, Slot
from bench.compare.programs import NAMES, PEERS, TITLES, Program
from portal.config import ROOT

PEOPLE = 3_000


def figures(per_second: float) -> Figures:
    return Figures(per_second, median=1.25, p99=20, application=0.5, database=0.25, kilobytes=7)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    hundred = [float(n) for n in range(100, 0, -1)]
    assert percentile(hundred, 99) == 99
    assert percentile(hundred, 100) == 100
    assert percentile([3.0, 1.0], 50) == 1
    assert percentile([7.0], 99) == 7


def test_figures_take_the_median_of_rounds_and_share_processor_time_among_requests() -> None:
    quick = Round(seconds=1, latencies=[1.0] * 30, application=0.03, database=0.01, size=2_000)
    slow = Round(seconds=2, latencies=[5.0] * 10, application=0.05, database=0.03, size=2_500)
    usual = Round(seconds=1, latencies=[2.0] * 20, application=0.04, database=0.02, size=2_000)
    found = Figures.of([quick, slow, usual])
    assert (found.per_second, found.median, found.p99, found.kilobytes) == (20, 1.5, 5, 2.5)
    assert found.application == pytest.approx(2)
    assert found.database == pytest.approx(1)


def test_ratios_are_to_the_floor_and_to_the_faster_peer() -> None:
    measured = {"floor": figures(200), "portal": figures(100), "django": figures(10), "flask-admin": figures(25)}
    assert ratios(measured, PEERS) == (0.5, 4)
    assert ratios({"portal": figures(100)}, PEERS) == (None, None)
    assert ratios({"floor": figures(100)}, PEERS) == (None, None)


def test_a_table_is_even_and_markdown() -> None:
    assert table([["workload", "ms"], ["W1", "1,234"], ["W10 dashboard", "7"]]).splitlines() == [
        "| workload      |    ms |",
        "| ------------- | ----: |",
        "| W1            | 1,234 |",
        "| W10 dashboard |     7 |",
    ]


def test_the_tables_show_every_program_and_what_was_not_measured() -> None:
    results = {
        "W1 people": {"floor": figures(1_578.4), "portal": figures(140)},
        "W10 dashboard": {"portal": figures(90)},
    }
    titles = {name: TITLES[name] for name in NAMES}
    head, _, first, second = (_cells(line) for line in summary(results, titles, PEERS).splitlines())
    assert head == ["workload", *TITLES.values(), "of the floor", "times the best peer"]
    assert first == ["W1 people", "1,578", "140", "-", "-", "0.09", "-"]
    assert second == ["W10 dashboard", "-", "90", "-", "-", "-", "-"]
    shown = [_cells(line) for line in details(results, titles).splitlines()[2:]]
    assert [line[:2] for line in shown] == [
        ["W1 people", "floor"],
        ["W1 people", "portal"],
        ["W10 dashboard", "portal"],
    ]
    assert shown[0][2:] == ["1,578", "1.2", "20.0", "0.50", "0.25", "7.0"]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_form_is_read_as_a_browser_would_send_it() -> None:
    page = """<form><input name="q"></form><form><input name="name" value="Zo&euml;">
        <input type=checkbox name=on checked>
        <input type=checkbox name=off><select name=role><option value=A>A</option><option value=B selected>B</option>
        </select><select name=first><option value=1></option><option value=2></option></select>
        <input type=submit name=go value=Go></form>"""
    assert form_of(page, "name") == {"name": "Zoë", "on": "on", "role": "B", "first": "1"}
    with pytest.raises(ValueError, match="no form has a field x"):
        form_of(page, "x")


def test_a_save_counts_on_and_alternates_its_bodies() -> None:
    slot = Slot("POST", "/x", {"Host": "h"}, ("even=COUNTER", "odd=COUNTER"), counter=4)
    assert slot.request(0) == (
        b"POST /x HTTP/1.1\r\nHost: h\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 6\r\n\r\neven=4"
    )
    assert slot.request(1).endswith(b"\r\n\r\nodd=5")
    given = Load(8000, (slot,), 303, "", 1.5)
    assert load.read(json.dumps(asdict(given))) == given


@contextmanager
def served(app: Any) -> Iterator[int]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answers_to(one: Load) -> load.Answers:
    """In a thread of its own, because browser tests leave an event loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(load.run(one))).result()


@pytest.fixture
def found(fresh_app: Flask, fresh_database: str) -> rows.Rows:
    url = make_url(fresh_database).set(drivername="postgresql").render_as_string(hide_password=False)
    return rows.prepared(fresh_app, PEOPLE, url)


@pytest.fixture
def running(found: rows.Rows, fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Program]]:
    """The floor and the portal, in this process."""
    monkeypatch.setenv("DATABASE_URL", found.url)
    monkeypatch.setenv("SECRET_KEY", "only-for-tests")
    process = psutil.Process()
    with served(floor.app) as low, served(fresh_app) as high:
        yield {"floor": Program("floor", low, process), "portal": Program("portal", high, process)}
    if floor.pool is not None:
        floor.pool.close()
    floor.pool = None


def test_every_page_of_the_floor_and_the_portal_is_recognized_and_saved(
    found: rows.Rows, running: dict[str, Program]
) -> None:
    for workload in workloads.workloads(found):
        for name in running.keys() & workload.paths.keys():
            browser = programs.signed_in(running[name], workload.email, found)
            if workload.saves:
                slots = workloads.saving(name, browser, found, 2)
                before, status, marker = found.versions(found.edited[:2]), workloads.SAVED[name], ""
            else:
                status, marker = 200, workload.recognize(name, browser, found)
                slots = workloads.reading(workload, name, browser, 2)
                assert marker
            answers = answers_to(Load(running[name].port, slots, status, marker, seconds=0))
            assert (answers.error, len(answers.latencies)) == (None, 2), (workload.name, name)
            if workload.saves:
                assert found.versions(found.edited[:2]) == [version + 1 for version in before], name


def test_the_floor_lists_what_it_is_asked_for_only_to_those_who_may(
    found: rows.Rows, running: dict[str, Program]
) -> None:
    root, admin = (programs.signed_in(running["floor"], one, found) for one in (rows.SUPER_ADMIN, rows.ADMIN))
    assert Browser(running["floor"].port).get("/users")[0] == 403
    status, page = root.get(f"/users?q={rows.RARE}")
    assert (status, len(re.findall("<tr><td>", page)), "<p>20</p>" in page) == (200, rows.RARE_PEOPLE, True)
    first = root.get("/users")[1]
    following = root.get("/users" + re.findall(r'href="(\?at=[^"]+)">Next', first)[0].replace("&amp;", "&"))[1]
    keys = [workloads.KEY.findall(one.partition("</table>")[0]) for one in (first, following)]
    assert [len(one) for one in keys] == [25, 25]
    assert not set(keys[0]) & set(keys[1])
    own = workloads.KEY.findall(admin.get("/users")[1].partition("</table>")[0])
    assert found.count(own, workloads.INSIDE) == len(own) == 25


def test_a_page_that_is_not_the_expected_one_is_an_error_that_names_it(
    found: rows.Rows, running: dict[str, Program]
) -> None:
    first = workloads.workloads(found)[0]
    stranger = Browser(running["floor"].port)
    with pytest.raises(workloads.WrongPage, match="W1 floor /users answered 403"):
        first.recognize("floor", stranger, found)
    root = programs.signed_in(running["floor"], rows.SUPER_ADMIN, found)
    with pytest.raises(workloads.WrongPage, match="W1 floor /users shows [0-4] of the people it is about"):
        replace(first, condition="u.last_name = 'Zyxwell'").recognize("floor", root, found)
    slots = workloads.reading(first, "floor", root, 1)
    answers = answers_to(Load(running["floor"].port, slots, 200, "not on the page", seconds=0))
    assert answers.error is not None
    assert answers.error.startswith("GET /users answered 200")


def test_a_program_ends_with_its_children() -> None:
    command = ["/bin/sh", "-c", "sleep 60 & echo $!; wait"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603 -- a constant
    with process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        programs.end(process)
    assert process.returncode is not None
    assert not psutil.pid_exists(number) or psutil.Process(number).status() == psutil.STATUS_ZOMBIE


def test_peers_are_pinned() -> None:
    lines = (ROOT / "bench" / "peers.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", line) for line in lines if not line.startswith("#"))
    assert {"Django", "Flask-Admin", "gunicorn"} <= {line.partition("==")[0] for line in lines}


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("--people", "--concurrency", "--markdown", "BENCH_FOLDER", *NAMES))
