"""Is there room for everybody else while many do what takes long?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from portal.activity import views as activity
from portal.core.actor import Role
from portal.core.db import db
from portal.users import passwords
from tests.acting import portal_on
from tests.cast import Builder, Person, SignIn
from tests.pages import PageClient


def test_a_flood_of_sign_ins_leaves_room_for_everybody_else(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    address = app.config["SQLALCHEMY_DATABASE_URI"]
    with portal_on(address, concurrent_requests=3) as portal:
        outer, inner = portal.test_client(), portal.test_client()
        assert isinstance(outer, PageClient)
        assert isinstance(inner, PageClient)
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


@pytest.mark.parametrize("ending", ["read to its end", "gone away", "never read", "asked for its head"])
def test_a_file_keeps_its_place_until_it_is_sent_or_the_client_goes_away(app: Flask, ada: Person, ending: str) -> None:
    with portal_on(app.config["SQLALCHEMY_DATABASE_URI"], concurrent_requests=1) as portal:
        client = portal.test_client()
        assert isinstance(client, PageClient)
        SignIn(client)(ada)

        answer = client.head("/activity/export") if "head" in ending else client.get("/activity/export")
        meanwhile = elsewhere(portal)
        if ending == "read to its end":
            assert ada.name in answer.text
        elif ending == "gone away":
            next(iter(answer.response))
        answer.close()

        assert answer.status_code == 200
        assert (meanwhile, elsewhere(portal)) == (503, 200)


def elsewhere(portal: Flask) -> int:
    """What another thread of the server answers now."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: portal.test_client().get("/login").status_code).result(30)


def test_no_connection_waits_while_a_batch_is_sent(fresh_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "BATCH", 2)
    build = Builder(fresh_app)
    root = build.person("root@example.com", role=Role.SUPER_ADMIN)
    for number in range(5):
        build.person(f"p{number}@example.com")
    fresh_app.test_client_class = PageClient
    client = fresh_app.test_client()
    assert isinstance(client, PageClient)
    SignIn(client)(root)
    with fresh_app.app_context():
        pool: Any = db.engine.pool

    answer = client.get("/activity/export?q=example")
    held = [pool.checkedout() for _ in answer.iter_encoded()]
    answer.close()

    assert len(held) > 4
    assert set(held) == {0}
