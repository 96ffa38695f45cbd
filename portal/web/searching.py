"""Render lists, as a page or as the part that a search replaces."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask, Response, request

from portal.core.listing import Filter, Listing
from portal.web.rendering import render, set_browser_url
from portal.web.urls import path_of


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(control=control, asked_of=asked_of)


@dataclass(frozen=True)
class Control:
    """A control that sets a filter: a choice, a name with suggestions, or a date. Its value is what was entered."""

    name: str
    label: str
    value: str
    choices: tuple[tuple[str, str], ...]
    suggestions: str  # their URL
    is_wrong: bool


def control(listing: Listing, name: str, one: Filter) -> Control:
    choices = tuple(one.choices()) if one.choices else ()
    suggestions = f"{path_of(f'{one.suggestions}.options')}?field={name}" if one.suggestions else ""
    value = (listing.typed if suggestions else listing.filters).get(name, "")
    return Control(name, one.label, value, choices, suggestions, name in listing.refused)


def asked_of(listing: Listing, more_url: str = "") -> tuple[Any, ...]:
    """The rest of what the macro `search` is given: the text, hidden fields, and a control for each shown filter."""
    shown = listing.shown_filters
    hidden = tuple((name, value) for name, value in listing.hidden if name not in shown)
    controls = (control(listing, name, one) for name, one in shown.items())
    return listing.q, hidden, bool(listing.chips or listing.refused), more_url, *controls


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
