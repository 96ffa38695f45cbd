"""Render lists, as a page or as the part that a search replaces."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Response, request

from portal.core.listing import Listing
from portal.web.rendering import render, set_browser_url

# Fields that send a request for each character: while a date is typed, its year is 2, 20, 202 and 2026.
TYPED = frozenset({"q", "from", "to", "last_sign_in_before"})


def render_list(name: str, listing: Listing, **context: Any) -> Response:
    """Render the page or the table of a list. Typing creates a single entry in the browser's history."""
    response = render(
        f"{name}/index.html", fragment=f"{name}/_table.html", page=listing.page(), listing=listing, **context
    )
    return set_browser_url(response, listing.url, extends=_is_typed(request.headers.get("HX-Current-URL", "")))


def _is_typed(address: str) -> bool:
    """Whether the list's URL contains a value that is being typed."""
    try:
        return not TYPED.isdisjoint(parse_qs(urlsplit(address[:2000]).query))
    except ValueError:  # the header isn't a URL
        return False
