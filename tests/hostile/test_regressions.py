"""Requests that once found a weakness."""

from __future__ import annotations

import time

from portal.core.text import tidy
from tests.cast import Person, SignIn
from tests.pages import PageClient


def test_flask_logins_own_cookie_is_not_read(client: PageClient) -> None:
    answer = client.get("/login", headers={"Cookie": "remember_token=abc|\xe9"})

    assert answer.status_code in (200, 400)


def test_a_static_file_with_a_very_long_name_is_404(client: PageClient) -> None:
    for encoding in ("gzip", "br", "identity"):
        assert client.get("/static/" + "a" * 300, headers={"Accept-Encoding": encoding}).status_code == 404


def test_a_redirect_to_a_url_in_another_script_is_ascii(client: PageClient) -> None:
    values = {"theme": "dark", "next": "/users/?q=日本"}

    answer = client.send("/theme", values, at="/login", headers={"HX-Request": "true"})

    assert answer.headers["HX-Redirect"] == "/users/?q=%E6%97%A5%E6%9C%AC"


def test_a_text_that_would_take_seconds_to_normalize_is_left_unchanged() -> None:
    begun = time.thread_time()

    tidy("a" + "\u0301\u0327" * 45_000)

    assert time.thread_time() - begun < 2


def test_static_files_set_no_cookie(client: PageClient, sign_in: SignIn, ada: Person) -> None:
    sign_in(ada)

    with client.get("/static/favicon.svg") as answer:
        assert "Set-Cookie" not in answer.headers
