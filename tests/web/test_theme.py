"""Light, dark, or what the system says."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.access.visitor import Visitor
from tests.cast import Person
from tests.pages import PageClient


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chosen_theme_stays_and_leads_back(client: PageClient, theme: str) -> None:
    token = client.form("/login")["csrf_token"]

    answer = client.post("/theme", data={"csrf_token": token, "theme": theme, "next": "/login?next=/users/"})

    assert answer.headers["Location"] == "/login?next=/users/"
    assert f'<html lang="en" data-bs-theme="{theme}">' in client.get("/login").text


def test_the_systems_theme_takes_the_choice_back(client: PageClient) -> None:
    token = client.form("/login")["csrf_token"]
    client.post("/theme", data={"csrf_token": token, "theme": "dark"})

    client.post("/theme", data={"csrf_token": token, "theme": "system"})

    assert '<html lang="en">' in client.get("/login").text


@pytest.mark.parametrize("theme", ["purple", "", '"><script>', "DARK"])
def test_no_other_theme_is_kept(app: Flask, ada: Person, theme: str) -> None:
    visitor = Visitor(app, ada)

    answer = visitor.post("/theme", {"theme": theme, "next": "//evil.example"})

    assert answer.headers["Location"] == "/"
    assert "theme=" not in str(answer.headers)
    visitor.client.set_cookie("theme", theme)
    assert (
        '<html lang="en">' in visitor.get("/login?x").text or visitor.get("/account/").text.count("data-bs-theme") == 0
    )
