"""Light, dark, or the system's theme."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.access.visitor import CREATED, INVALID, PAGE, Visitor, outcome
from tests.acting import acting, age_authentication
from tests.cast import Person
from tests.pages import PageClient

HTML = re.compile(r'<html lang="en"(?: data-root="/"| data-browser-time="\w+")*(?: data-bs-theme="(\w+)")?>')


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chosen_theme_is_kept_and_returns_to_the_page(client: PageClient, theme: str) -> None:
    token = client.form("/login")["csrf_token"]

    answer = client.post("/theme", data={"csrf_token": token, "theme": theme, "next": "/login?next=/users/"})

    assert answer.headers["Location"] == "/login?next=/users/"
    assert HTML.findall(client.get("/login").text) == [theme]


def test_the_form_names_the_page_without_control_characters(client: PageClient) -> None:
    for url, shown in (("/login?next=%01a%0D", "/login?next=+a+"), ("/none%01", "/"), ("/none%0A", "/")):
        assert f'name="next" value="{shown}"' in client.get(url).text


def test_choosing_the_systems_theme_clears_the_choice(client: PageClient) -> None:
    token = client.form("/login")["csrf_token"]
    client.post("/theme", data={"csrf_token": token, "theme": "dark"})

    client.post("/theme", data={"csrf_token": token, "theme": "system"})

    assert HTML.findall(client.get("/login").text) == [""]


@pytest.mark.parametrize("theme", ["purple", "", '"><script>', "DARK"])
def test_no_other_theme_is_accepted(app: Flask, ada: Person, theme: str) -> None:
    visitor = Visitor(app, ada)

    answer = visitor.post("/theme", {"theme": theme, "next": "//evil.example"})

    assert answer.headers["Location"] == "/"
    assert "theme=" not in str(answer.headers)
    visitor.client.set_cookie("portal-theme", theme)
    assert HTML.findall(visitor.get("/account/").text) == [""]


SWITCH = re.compile(r'<form class="theme"[^>]*>')


@pytest.mark.parametrize("minutes", [0, 16], ids=["just signed in", "reauthentication"])
def test_the_response_to_a_post_never_offers_to_return_to_itself(
    app: Flask, root: Person, uma: Person, minutes: int
) -> None:
    """Returning would be a GET: of no page, of one that was shown once, or of an empty form."""
    found = {}
    for rule in app.url_map.iter_rules():
        if "POST" in (rule.methods or ()) and not rule.rule.startswith("/api/"):
            visitor = Visitor(app, root)  # a new one each time, because some of the buttons sign out
            with acting(app):
                age_authentication(root, minutes)
            answer = visitor.post(rule.rule.replace("<uuid:id>", str(uma.id)))
            if outcome(answer) in (PAGE, CREATED, INVALID):
                found[rule.rule] = SWITCH.findall(answer.text)

    assert len(found) > 8
    assert [path for path, switches in found.items() if any(" hidden" not in one for one in switches)] == []
    assert " hidden" not in SWITCH.findall(visitor.get("/account/").text)[0]


def test_a_page_with_a_new_key_each_time_offers_no_return_either(app: Flask, ada: Person) -> None:
    assert " hidden" in SWITCH.findall(Visitor(app, ada).get("/account/second-factor/app").text)[0]
