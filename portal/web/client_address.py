"""Parse the client's address and network, wherever they are shown, stored or counted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST = 100
UNKNOWN = "unknown"  # the network of all unreadable addresses
NAT64 = IPv6Network("64:ff9b::/96")
# Formats that proxies use: IPv4, or IPv6 in brackets, optionally with a port; bare IPv6. IPv6 may have a zone.
IPV6 = r"([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)(?:%[\w.~-]+)?"
FORMS = re.compile(rf"(?:\[{IPV6}\]|([0-9.]+))(?::[0-9]{{1,5}})?|{IPV6}", re.ASCII)


class ClientAddress:
    """Middleware that sets REMOTE_ADDR to the client's address, or to an empty string.

    Behind `proxies`, it is the entry of X-Forwarded-For that the outermost proxy added. With fewer entries, the request
    bypassed a proxy, and the header is not trusted.
    """

    def __init__(self, app: WSGIApplication, proxies: int) -> None:
        self.app, self.proxies = app, proxies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        address = environ.get("REMOTE_ADDR", "")
        entries = environ.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", self.proxies)
        if 0 < self.proxies <= len(entries) and "HTTP_X_FORWARDED_FOR" in environ:
            address = entries[-self.proxies]
        environ["REMOTE_ADDR"] = str(parse(address) or "")
        return self.app(environ, start_response)


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address, without port and zone; None if it isn't one. IPv4-mapped IPv6 becomes IPv4."""
    found = FORMS.fullmatch(text.strip(" \t")) if len(text) <= LONGEST else None
    if found is None:
        return None
    try:
        address = ip_address(next(group for group in found.groups() if group))
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else address)
    return address


def network_of(text: str) -> str:
    """The network of an address: the IPv4 address itself (also of 6to4), or the IPv6 /64.

    A client with one IPv6 address can usually use all addresses of its /64.
    """
    address = parse(text)
    if address is None:
        return UNKNOWN
    if isinstance(address, IPv4Address):
        return str(address)
    return str(address.sixtofour or IPv6Network((int(address), 64), strict=False))
