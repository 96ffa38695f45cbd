"""What templates remember from page to page."""

from __future__ import annotations

from typing import Any

from flask import Flask
from jinja2.utils import _PassArg

from portal.web.jinja import once
from tests.cast import Person, page_client


def test_a_page_that_is_shown_again_renders_nothing_anew_that_is_remembered(app: Flask, ada: Person) -> None:
    """Otherwise every page would add to what is remembered, and keep its own values alive there."""
    client = page_client(app, ada)
    for page in ("/users/", "/account/"):
        client.get(page)
        before = once.cache_info()

        client.get(page)

        after = once.cache_info()
        assert after.misses == before.misses
        assert after.hits > before.hits


def test_functions_in_templates_dont_ask_for_the_context(app: Flask) -> None:
    """Only macros get one: see jinja.Direct."""
    proxies = ("g", "request", "session")  # outside a request, nothing may ask these
    functions: list[Any] = [one for name, one in app.jinja_env.globals.items() if name not in proxies]
    assert [one for one in functions if _PassArg.from_obj(one) is not None] == []


def test_macros_know_whether_their_template_is_escaped(app: Flask) -> None:
    source = "{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}{{ bold('a & b') ~ '<' }}"
    assert app.jinja_env.from_string(source).render() == "<b>a &amp; b</b>&lt;"
    plain = app.jinja_env.overlay(autoescape=False)
    assert plain.from_string(source).render() == "<b>a & b</b><"


def test_a_loop_and_a_caller_are_called_as_before(app: Flask) -> None:
    source = (
        "{% macro listed(items) %}{% for one in items %}{{ caller(one) }}{% endfor %}{% endmacro %}"
        "{% for one in [1, 2] %}{% call(two) listed([3]) %}{{ one }}{{ two }} {% endcall %}{% endfor %}"
    )
    assert app.jinja_env.from_string(source).render() == "13 23 "
