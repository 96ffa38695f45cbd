"""PORTAL_URL is normalized, and refused with a reason if it can't be a public URL."""

from __future__ import annotations

import pytest

from portal.config import ConfigurationError, Settings, load_settings
from portal.public_url import read


@pytest.mark.parametrize(
    ("text", "url", "root", "trusted"),
    [
        ("https://portal.example.com", "https://portal.example.com", "", "portal.example.com"),
        ("https://portal.example.com/", "https://portal.example.com", "", "portal.example.com"),
        ("HTTPS://Portal.Example.COM:443/", "https://portal.example.com", "", "portal.example.com"),
        ("https://example.com:8443/Portal/", "https://example.com:8443/Portal", "/Portal", "example.com"),
        ("https://example.com/a/b-c_d.e~f", "https://example.com/a/b-c_d.e~f", "/a/b-c_d.e~f", "example.com"),
        ("https://192.0.2.1/portal", "https://192.0.2.1/portal", "/portal", "192.0.2.1"),
        ("https://[2001:DB8:0::1]:8443", "https://[2001:db8::1]:8443", "", "[2001:db8::1]"),
        ("https://[2001:db8::1]/portal", "https://[2001:db8::1]/portal", "/portal", "[2001:db8::1]"),
        ("http://[::1]:8000", "http://[::1]:8000", "", "[::1]"),
        ("http://localhost:80", "http://localhost", "", "localhost"),
        ("http://127.0.0.1:8000/portal", "http://127.0.0.1:8000/portal", "/portal", "127.0.0.1"),
        ("https://xn--mller-kva.example", "https://xn--mller-kva.example", "", "xn--mller-kva.example"),
        ("https://intranet", "https://intranet", "", "intranet"),
        ("https://p", "https://p", "", "p"),
    ],
)
def test_a_public_url_is_normalized(text: str, url: str, root: str, trusted: str) -> None:
    settings = load_settings({"PORTAL_URL": text, "PORTAL_INSTANCE": "/nowhere", "SECRET_KEY": "0123456789abcdef" * 2})

    assert (settings.public_url, settings.root, settings.trusted_hosts[0]) == (url, root, trusted)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://example.com ", "spaces or line breaks around"),
        (" https://example.com", "spaces or line breaks around"),
        ("https://example.com\n", "spaces or line breaks around"),
        (" ", "spaces or line breaks around"),
        ("https://exa mple.com", "spaces, backslashes or control characters"),
        ("https://example.com/a\tb", "spaces, backslashes or control characters"),
        ("https://example.com\x00", "spaces, backslashes or control characters"),
        ("https://example.com\\portal", "spaces, backslashes or control characters"),
        ("https://example.com?", "[?] or #"),
        ("https://example.com/portal?a=b", "[?] or #"),
        ("https://example.com/portal#", "[?] or #"),
        ("https://müller.example", "xn--"),
        ("https://ada@example.com", "user name or password"),
        ("https://ada:secret@example.com/portal", "user name or password"),
        ("https://@example.com", "user name or password"),
        ("https://example.com:", "from 1 to 65535"),
        ("https://example.com:0", "from 1 to 65535"),
        ("https://example.com:65536", "from 1 to 65535"),
        ("https://example.com:http", "from 1 to 65535"),
        ("https://[2001:db8::1]:", "from 1 to 65535"),
        ("https://example.com//", "in its path"),
        ("https://example.com//portal", "in its path"),
        ("https://example.com/portal//", "in its path"),
        ("https://example.com/a//b", "in its path"),
        ("https://example.com/./portal", "in its path"),
        ("https://example.com/a/..", "in its path"),
        ("https://example.com/%70ortal", "letters, digits"),
        ("https://example.com/portal;x", "letters, digits"),
        ("https://example.com/a+b", "letters, digits"),
        ("https://[2001:db8::1", "in brackets"),
        ("https://[2001:db8::g]", "host"),
        ("https://[fe80::1%eth0]", "host"),
        ("https://[192.0.2.1]", "host"),
        ("https://2001:db8::1", "host|port"),
        ("https://example..com", "host"),
        ("https://example.com.", "host"),
        ("https://-example.com", "host"),
        ("https://exa,mple.com", "host"),
        ("https://", "must be the public address"),
        ("https:///portal", "must be the public address"),
        ("portal.example.com", "must be the public address"),
        ("//portal.example.com", "must be the public address"),
        ("ftp://portal.example.com", "must be the public address"),
        ("javascript:alert(1)", "must be the public address"),
        ("http://portal.example.com", "https://"),
        ("http://[2001:db8::1]", "https://"),
    ],
)
def test_an_invalid_public_url_is_refused_in_one_sentence(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        read(text)
    with pytest.raises(ConfigurationError, match="^portal: PORTAL_URL ") as stopped:
        load_settings({"PORTAL_URL": text})

    assert str(stopped.value) == f"portal: PORTAL_URL {refused.value}"
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "request_url", "name"),
    [
        (None, "http://localhost/", "portal"),
        (None, "http://localhost:8001/", "portal-8001"),
        (None, "http://[::1]:8001/", "portal-8001"),
        ("http://localhost:8000", "http://127.0.0.1:8001/", "portal-8000"),
        ("https://example.com", "http://127.0.0.1:8001/", "__Host-portal"),
        ("https://example.com:8443", "https://example.com/", "__Host-portal-8443"),
        ("https://example.com/portal", "https://example.com/", "__Secure-portal+portal"),
        ("https://example.com/a/b", "https://example.com/", "__Secure-portal+a+b"),
        ("https://example.com:8443/a-b", "https://example.com/", "__Secure-portal-8443+a-b"),
    ],
)
def test_portals_on_the_same_host_have_different_cookie_names(url: str | None, request_url: str, name: str) -> None:
    assert Settings(secret_key="", public_url=url).cookie_name(request_url) == name
