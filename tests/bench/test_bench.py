"""The comparison with other programs: load, kept databases, and the pages of the floor and the portal."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from flask import Flask
from sqlalchemy import make_url
from werkzeug.serving import make_server

from bench import environments, floor, load, many, measure, programs, report, rows, servers, workloads
from bench.__main__ import main
from bench.browser import Browser, form_of
from bench.load import Load, Slot
from bench.programs import NAMES, Program
from portal.config import ROOT

PEOPLE = 3_000


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
        yield {"floor": Program("floor", low, process, found), "portal": Program("portal", high, process, found)}
    if floor.pool is not None:
        floor.pool.close()
    floor.pool = None


def test_every_page_of_the_floor_and_the_portal_is_recognized_and_saved(
    found: rows.Rows, running: dict[str, Program]
) -> None:
    """Each pauses less than a request, so that two connections ask once each."""
    for workload in workloads.workloads(found).values():
        for name in running.keys() & workload.paths.keys():
            browser = programs.signed_in(running[name], workload.email)
            is_read = workload.kind in ("read", "flood")
            marker = workload.recognize(name, browser, found) if is_read else ""
            before = found.versions(found.edited[:2])
            contestant = measure.Contestant(running[name], workload, browser, marker)
            answers = answers_to(contestant.load(2, seconds=0))
            assert (answers.error, answers.refused, len(answers.latencies)) == (None, 0, 2), (workload.name, name)
            assert 0 < answers.compressed < max(answers.size, 30)
            if workload.kind == "save":
                assert found.versions(found.edited[:2]) == [version + 1 for version in before], name
            if is_read:
                assert marker


def test_people_sign_in_again_and_again_and_the_portal_checks_each_password(
    found: rows.Rows, running: dict[str, Program]
) -> None:
    portal = running["portal"]
    workload = workloads.workloads(found)["W13b"]
    browser = programs.signed_in(portal, workload.email)
    flood = measure.Contestant(portal, workload, browser, "").flood(seconds=0)
    assert len({slot.bodies for slot in flood.slots}) == workloads.FLOOD
    assert answers_to(replace(flood, slots=flood.slots[:3])).error is None
    wrong = replace(flood.slots[0], bodies=(flood.slots[0].bodies[0].replace("phrase", "word"),))
    error = answers_to(replace(flood, slots=(wrong,))).error
    assert error is not None and error.startswith("POST /login answered 422")


def test_checking_passwords_alone_takes_every_processor() -> None:
    found = measure.hashing(seconds=0)
    assert len(found.latencies) == (os.cpu_count() or 1)
    assert found.application > 0.1


def test_the_floor_lists_what_it_is_asked_for_only_to_those_who_may(
    found: rows.Rows, running: dict[str, Program]
) -> None:
    root, admin = (programs.signed_in(running["floor"], one) for one in (rows.SUPER_ADMIN, rows.ADMIN))
    assert Browser(running["floor"].port).get("/users")[0] == 403
    status, page = root.get(f"/users?q={rows.RARE}")
    assert (status, len(re.findall("<tr><td>", page)), "<p>20</p>" in page) == (200, rows.RARE_PEOPLE, True)
    first = root.get("/users")[1]
    following = root.get("/users" + re.findall(r'href="(\?at=[^"]+)">Next', first)[0].replace("&amp;", "&"))[1]
    keys = [workloads.KEY.findall(one.partition("</table>")[0]) for one in (first, following)]
    assert [len(one) for one in keys] == [25, 25]
    assert not set(keys[0]) & set(keys[1])
    assert f"<p>{floor.FEW}</p>" in admin.get("/users?q=a")[1]
    own = workloads.KEY.findall(admin.get("/users")[1].partition("</table>")[0])
    assert found.count(own, f"u.organization_id = '{found.organization}'") == len(own) == 25


def test_a_page_that_is_not_the_expected_one_is_an_error_that_names_it(
    found: rows.Rows, running: dict[str, Program]
) -> None:
    first = workloads.workloads(found)["W1"]
    stranger = Browser(running["floor"].port)
    with pytest.raises(workloads.WrongPage, match="W1 floor /users answered 403"):
        first.recognize("floor", stranger, found)
    root = programs.signed_in(running["floor"], rows.SUPER_ADMIN)
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


def test_refusals_are_counted_and_closed_connections_opened_again() -> None:
    answered: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Refuse every second request. This server closes each connection."""
        answered.append(environ["PATH_INFO"])
        start_response("503 Busy" if len(answered) % 2 else "200 OK", [("Content-Length", "2")])
        return [b"ok"]

    with served(app) as port:
        slot = Slot("GET", "/", {"Host": "x"})
        answers = answers_to(Load(port, (slot,), 200, "ok", seconds=0.2))
    assert answers.error is None
    assert answers.refused in (len(answers.latencies), len(answers.latencies) + 1)
    assert answers.refused + len(answers.latencies) == len(answered) > 2


def test_the_kept_database_is_known_by_what_it_depends_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("migrations/versions/0001.sql", "portal/sql/users/users.sql", "portal/users/demo.py", "bench/rows.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    monkeypatch.setattr(rows, "ROOT", tmp_path)
    monkeypatch.setattr(rows, "__file__", str(tmp_path / "bench" / "rows.py"))
    seen = {rows.fingerprint()}
    for name in ("migrations/versions/0001.sql", "portal/sql/users/users.sql", "portal/users/demo.py", "bench/rows.py"):
        (tmp_path / name).write_text("after")
        seen.add(rows.fingerprint())
    assert len(seen) == 5
    (tmp_path / "migrations" / "versions" / "0001.pyc").write_text("compiled")
    assert rows.fingerprint() in seen


def test_a_kept_database_of_another_schema_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with rows.kept(tmp_path, 300) as found:
        first = found.super_admin
        found.forget_statements()
        found.count([str(first)], "u.deleted_at IS NULL")
        assert found.statements()[0] == 1
        assert found.statements()[1] > 0
        with many.copied(found) as copy:
            assert copy.count_all("true", 300) == found.count_all("true", 300) > 0
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            copy.version()
    with rows.kept(tmp_path, 300) as found, (tmp_path / "postgres-300.runs").open("a") as other:
        assert found.super_admin == first
        fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):  # nobody makes it anew meanwhile
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert "making it anew" not in capsys.readouterr().err
    monkeypatch.setattr(rows, "fingerprint", lambda: "another")
    with rows.kept(tmp_path, 300) as found:
        assert found.super_admin != first
    assert (
        "The kept database of 300 people has another schema or other rows: making it anew." in capsys.readouterr().err
    )


def test_the_report_names_versions_and_the_machine_but_no_host_or_path(found: rows.Rows) -> None:
    text = report.versions(found)
    assert re.match(
        r"\d{4}-\d\d-\d\d, \d+ processors \(.+\), \d+ GiB of memory; Python 3\.\d+\.\d+, PostgreSQL \d+", text
    )
    assert all(re.search(rf"\b{name} \d", text) for name in (*report.LIBRARIES, *report.PEER_LIBRARIES))
    assert socket.gethostname() not in text
    assert str(ROOT) not in text


def test_every_python_serves_the_portal_the_usual_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environments, "environment", lambda folder, python, _requirements: folder / "bin" / "python")
    found = list(servers.variants([sys.executable], tmp_path))
    assert [title for title, _, _ in found[:-1]] == list(servers.SERVERS)
    title, python, arguments = found[-1]
    assert title.startswith("gunicorn as configured, Python 3.")
    assert (python.parts[-3].split()[0], arguments) == ("Python", servers.GUNICORN)


def test_many_people_are_downloaded_imported_and_changed(
    found: rows.Rows, fresh_app: Flask, running: dict[str, Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "IMPORTED", 300)
    monkeypatch.setattr(many, "CHANGED", 200)

    lines = [*many.downloads(running["portal"], 1), *many.changes(fresh_app, found)]

    assert [one[1] for one in lines[3:]] == ["300", "300", "200", "200"]
    assert [one.count("|") for one in many.shown(lines).splitlines()] == [8] * 9


@pytest.mark.parametrize("name", ["peers.txt", "servers.txt"])
def test_other_programs_are_pinned(name: str) -> None:
    lines = (ROOT / "bench" / name).read_text().splitlines()
    assert all(re.fullmatch(r"[\w-]+==\d[\w.]*", line) for line in lines if not line.startswith("#"))
    assert len(lines) > 3


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    options = ("--people", "--concurrency", "--publish", "--growth", "--servers", "--history", "--many", "BENCH_FOLDER")
    assert all(name in shown for name in (*options, *NAMES))
