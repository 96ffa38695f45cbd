"""How does a list answer, whole or as the part that a search replaces?"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Response, request

from portal.core.listing import Listing
from portal.web.rendering import keep_address, render

# A date is one from its first digit on: the year 2, 20, 202 and 2026.
TYPED = frozenset({"q", "from", "to", "last_sign_in_before"})


def render_list(name: str, listing: Listing, **context: Any) -> Response:
    """The list's page or table. Typing makes one entry in the browser's history."""
    response = render(
        f"{name}/index.html", fragment=f"{name}/_table.html", page=listing.page(), listing=listing, **context
    )
    return keep_address(response, listing.url, extends=is_typed(request.headers.get("HX-Current-URL", "")))


def is_typed(address: str) -> bool:
    """Whether the list's address holds what somebody is typing."""
    try:
        return not TYPED.isdisjoint(parse_qs(urlsplit(address[:2000]).query))
    except ValueError:  # what the header holds is no address
        return False
