"""Is there room for everybody else while many do what takes long?"""

from __future__ import annotations

import pytest
from flask import Flask

from portal.users import passwords
from tests.acting import portal_on
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
