"""Slow work leaves room for everybody else."""

from __future__ import annotations

import runpy
import threading
from contextvars import copy_context
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from gunicorn.workers.gthread import ThreadWorker

from portal.activity import views as activity
from portal.config import ROOT, Settings
from portal.core.actor import Role
from portal.core.db import db
from portal.users import passwords
from portal.web import load
from tests.access.visitor import Visitor
from tests.acting import portal_on
from tests.cast import Builder, Person, Tenant, page_client
from tests.waiting import until


def test_a_flood_of_sign_ins_leaves_room_for_other_requests(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    address = app.config["SQLALCHEMY_DATABASE_URI"]
    with portal_on(address, concurrent_requests=2) as portal:
        outer, inner = page_client(portal), page_client(portal)
        inner_form = inner.form("/login")
        answers: list[int] = []

        def meanwhile(*_: object) -> passwords.Verdict:
            answers.append(
                inner.post("/login", data={**inner_form, "email": "a@example.com", "password": "x"}).status_code
            )
            answers.append(inner.get("/login").status_code)
            return passwords.Verdict(False)

        form = {**outer.form("/login"), "email": "b@example.com", "password": "x"}
        monkeypatch.setattr(passwords, "verify", meanwhile)
        outer.post("/login", data=form)

    assert answers == [503, 200]


def test_thirty_two_sign_ins_at_once_are_all_checked_by_default(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """All may come to one process, because connections are not shared out evenly."""
    with portal_on(app.config["SQLALCHEMY_DATABASE_URI"]) as portal:
        clients = [page_client(portal) for _ in range(32)]
        forms = [{**client.form("/login"), "email": "a@example.com", "password": "x"} for client in clients]
        waiting, answers = list(zip(clients, forms, strict=True)), list[int]()

        def one_more(*_: object) -> passwords.Verdict:
            if waiting:
                client, form = waiting.pop()
                answers.append(client.post("/login", data=form).status_code)
            return passwords.Verdict(False)

        monkeypatch.setattr(passwords, "verify", one_more)
        copy_context().run(one_more)  # requests inside each other leave their origin behind

    assert answers == [422] * 32


def test_gunicorn_has_threads_left_when_requests_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORTAL_INSTANCE", str(tmp_path))
    assert runpy.run_path(str(ROOT / "gunicorn.conf.py"))["threads"] > Settings.concurrent_requests


def test_the_process_with_the_fewest_connections_accepts_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PORTAL_INSTANCE", str(tmp_path))
    worker = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["worker_class"]
    accepted: list[str] = []
    monkeypatch.setattr(ThreadWorker, "accept", lambda self, listener: accepted.append(listener))
    one = worker.__new__(worker)

    for one.nr_conns in (0, 3):
        one.accept("a listener")

    assert accepted == ["a listener"] * 2
    waits = [worker.hesitation(connections) for connections in range(6)]
    assert waits == sorted(set(waits))  # each further connection counts
    assert waits[0] == 0
    assert worker.hesitation(1_000) == waits[-1] <= 0.001


def test_each_process_is_kept_on_the_processor_that_the_fewest_others_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PORTAL_INSTANCE", str(tmp_path))
    config = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    config["PROCESSORS"][:] = [0, 1]
    server = SimpleNamespace(WORKERS={})

    def fork(number: int) -> int:
        worker = SimpleNamespace()
        config["pre_fork"](server, worker)
        server.WORKERS[number] = worker
        return int(worker.processor)

    assert sorted(map(fork, (1, 2))) == [0, 1]
    ended = server.WORKERS.pop(1).processor
    assert fork(3) == ended  # in place of one that crashed
    assert sorted(map(fork, (4, 5))) == [0, 1]  # a restart begins the new ones before it ends the old ones


def test_turns_go_to_whoever_waits_longest() -> None:
    turns, order = load.Turns(1), list[int]()
    assert turns.acquire(0)

    def wait(number: int) -> None:
        assert turns.acquire(60)
        order.append(number)
        turns.release()

    threads = [threading.Thread(target=wait, args=[number]) for number in range(5)]
    for number, thread in enumerate(threads, start=1):
        thread.start()
        until(partial(lambda wanted: len(turns._waiting) == wanted, number), "the thread does not wait")
    turns.release()
    for thread in threads:
        thread.join(60)

    assert order == [0, 1, 2, 3, 4]
    assert (turns.acquire(0), turns.acquire(0)) == (True, False)


def test_whoever_gives_up_waiting_takes_no_turn() -> None:
    turns = load.Turns(1)
    assert (turns.acquire(0), turns.acquire(0.01), len(turns._waiting)) == (True, False, 0)
    turns.release()
    assert turns.acquire(0)


def test_a_request_that_gets_no_turn_in_time_is_refused_and_sign_ins_need_none(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with portal_on(app.config["SQLALCHEMY_DATABASE_URI"], pool_size=2, pool_timeout=0.05) as portal:
        client = page_client(portal)
        form = {**client.form("/login"), "email": "a@example.com", "password": "x"}
        monkeypatch.setattr(load.Turns, "acquire", lambda self, timeout: timeout != 0.05)
        refused = client.get("/login").status_code
        monkeypatch.setattr(passwords, "verify", lambda *_: passwords.Verdict(False))
        answers = refused, client.post("/login", data=form).status_code, client.get("/healthz").status_code

    assert answers == (503, 422, 200)


@pytest.fixture(autouse=True)
def no_exports_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports that a test doesn't read to the end keep their place, because no server closes them."""
    monkeypatch.setattr(load.exports, "_taken", set())


@pytest.mark.parametrize("ending", ["read to its end", "disconnected", "never read"])
def test_a_person_gets_one_export_at_a_time_and_it_keeps_nobody_waiting(app: Flask, ada: Person, ending: str) -> None:
    with portal_on(app.config["SQLALCHEMY_DATABASE_URI"], concurrent_requests=1) as portal:
        client = page_client(portal, ada)

        answer = client.get("/activity/export", buffered=False)
        meanwhile = client.get("/account/").status_code, client.get("/activity/export").status_code
        if ending == "read to its end":
            assert ada.name in answer.text
        elif ending == "disconnected":
            next(iter(answer.response))
        answer.close()
        again = client.get("/activity/export")
        again.close()

        assert (answer.status_code, meanwhile, again.status_code) == (200, (200, 409), 200)


def test_only_a_few_exports_run_at_once(app: Flask, build: Builder, acme: Tenant) -> None:
    with portal_on(app.config["SQLALCHEMY_DATABASE_URI"]) as portal:
        visitors = [
            Visitor(portal, build.person(f"admin{number}@example.com", role=Role.ADMIN, tenant=acme))
            for number in range(load.exports._most + 1)
        ]
        contexts = [copy_context() for _ in visitors]  # as in separate threads
        answers = [
            context.run(FlaskClient.open, visitor.client, "/activity/export")
            for context, visitor in zip(contexts, visitors, strict=True)
        ]
        for context, answer in zip(contexts, answers, strict=True):
            context.run(answer.close)

    assert [answer.status_code for answer in answers] == [200] * load.exports._most + [409]


def test_no_connection_is_held_while_a_batch_is_sent(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "BATCH", 2)
    build = Builder(fresh_app)
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    for number in range(5):
        build.person(f"p{number}@example.com")
    client = page_client(fresh_app, root)
    with fresh_app.app_context():
        pool: Any = db.engine.pool

    answer = client.get("/activity/export?q=example")
    held = [pool.checkedout() for _ in answer.iter_encoded()]
    answer.close()

    assert len(held) > 4
    assert set(held) == {0}
