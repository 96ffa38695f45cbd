"""Names of browsers and programs."""

from __future__ import annotations

import pytest

from portal.web.agents import browser_of, signed_out

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (CHROME, "Chrome on Linux"),
        (CHROME + " Edg/131.0", "Edge on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Mobile Safari/604.1", "Safari on iPhone"),
        ("curl/8.11.0", "curl"),
        ("x" * 200, "x" * 40),
        ("", "An unnamed program"),
        ("/", "An unnamed program"),
    ],
)
def test_a_browser_is_shown_with_its_usual_name(agent: str, name: str) -> None:
    assert browser_of(agent) == name


def test_the_number_of_signed_out_devices_is_put_in_words() -> None:
    assert [signed_out(number)[:10] for number in (0, 1, 12)] == ["No devices", "1 device w", "12 devices"]
