"""What templates remember from page to page."""

from __future__ import annotations

from flask import Flask

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
