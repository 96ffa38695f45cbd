"""Parse PORTAL_URL: the portal's public URL, optionally with a path on a shared host."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import SplitResult, urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
PORTS = {"http": 80, "https": 443}
NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62}(?<!-))(\.[a-z0-9_]([a-z0-9_-]{0,62}(?<!-)))*|[a-z0-9_]")
SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")


def read(text: str) -> str:
    """Normalize the URL, without a trailing slash. Raise ValueError with a message to put after the setting's name."""
    if text != text.strip():
        raise ValueError("must not have spaces or line breaks around it.")
    if not text.isascii():
        raise ValueError("must be plain ASCII; write an internationalized host name as xn--...")
    if any(not character.isprintable() or character in " \\" for character in text):
        raise ValueError("must not contain spaces, backslashes or control characters.")
    if "?" in text or "#" in text:
        raise ValueError("must not contain ? or #: it is a URL without a query or fragment.")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("has an invalid host; write an IPv6 address in brackets, like [2001:db8::1].") from None
    if parts.scheme not in PORTS or not parts.netloc:
        raise ValueError("must be the public address, like https://portal.example.com.")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password.")
    host = _host(parts)
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError("must begin with https://; plain http is only for this machine.")
    return f"{parts.scheme}://{host}{_port(parts)}{_path(parts)}"


def _host(parts: SplitResult) -> str:
    host, is_number = parts.hostname or "", parts.netloc.startswith("[")
    try:
        if is_number and "%" not in host:
            return f"[{IPv6Address(host).compressed}]"
    except ValueError:
        pass
    if is_number or not NAME.fullmatch(host):
        raise ValueError(f"has an invalid host: {host!r}.")
    return host


def _port(parts: SplitResult) -> str:
    """The port with its colon; empty for the scheme's default port."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("has a port that is not a number from 1 to 65535.")
    return f":{port}" if port and port != PORTS[parts.scheme] else ""


def _path(parts: SplitResult) -> str:
    path = parts.path.removesuffix("/")
    if not path:
        return ""
    segments = path.split("/")[1:]
    if {"", ".", ".."} & set(segments):
        raise ValueError("must not have //, /./ or /../ in its path.")
    if not all(map(SEGMENT.fullmatch, segments)):
        raise ValueError("may have only letters, digits and . _ ~ - between the slashes of its path.")
    return path
