"""Render pages, or the fragments that htmx requests."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, g, make_response, render_template, request
from werkzeug.urls import iri_to_uri

SHOWN_AGAIN = (409, 422, 429)  # responses that show unsaved entries
VARY = "HX-Request, HX-Request-Type, Cookie"


def wants_fragment() -> bool:
    """Whether htmx requests a part of a page. For the browser's Back button it requests the whole page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") == "partial"


def render(template: str, /, *, fragment: str | None = None, status: int = 200, **context: Any) -> Response:
    """Render the page, or the fragment template, if there is one, when htmx requests a part."""
    chosen = fragment if fragment is not None and wants_fragment() else template
    unsaved = "typed" in g or "kept" in g or status in SHOWN_AGAIN
    response = make_response(render_template(chosen, unsaved=unsaved, **context), status)
    response.headers["Vary"] = VARY
    return response


def text_of(template: str, /, **context: Any) -> str:
    """Render a template outside a request, such as an email."""
    return current_app.jinja_env.get_template(template).render(**context)


def set_browser_url(response: Response, url: str, *, extends: bool) -> Response:
    """Set the browser's URL for a fragment, as a new history entry or, with `extends`, in place of the last one."""
    if wants_fragment():
        response.headers["HX-Replace-Url" if extends else "HX-Push-Url"] = url
    return response


def redirect(url: str) -> Response:
    """Redirect the whole page. fetch follows a 303 silently, so htmx gets a header of its own."""
    url = iri_to_uri(url)
    if request.headers.get("HX-Request") == "true":
        response = make_response("", 200)
        response.headers["HX-Redirect"] = url
    else:
        response = make_response("", 303)
        response.headers["Location"] = url
    response.headers["Vary"] = VARY
    return response
