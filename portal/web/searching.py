"""Render lists, as a page or as the part that a search replaces."""

from __future__ import annotations

from collections.abc import Set
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Response, request

from portal.core.listing import Listing
from portal.web.rendering import render, set_browser_url


def render_list(name: str, listing: Listing, **context: Any) -> Response:
    """Render the page or the table of a list. Typing creates a single entry in the browser's history."""
    response = render(
        f"{name}/index.html", fragment=f"{name}/_table.html", page=listing.page(), listing=listing, **context
    )
    typed = {"q", *(name for name, one in listing.source.filters.items() if one.wrong)}
    return set_browser_url(response, listing.url, extends=_is_typed(request.headers.get("HX-Current-URL", ""), typed))


def _is_typed(address: str, names: Set[str]) -> bool:
    """Whether the list's URL contains an argument that is being typed, as a date is with its year 2, 20, 202."""
    try:
        return not names.isdisjoint(parse_qs(urlsplit(address[:2000]).query))
    except ValueError:  # the header isn't a URL
        return False
