"""Render pages, or the fragments of them that htmx requests."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, g, make_response, render_template, request
from werkzeug.urls import iri_to_uri

SHOWN_AGAIN = (409, 422, 429)  # responses that show typed but unsaved values
VARY = "HX-Request, HX-Request-Type, Cookie"


def wants_fragment() -> bool:
    """Whether htmx requests a part of a page; when going back in history it requests the whole page."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") == "partial"


def render(template: str, /, *, fragment: str | None = None, status: int = 200, **context: Any) -> Response:
    """The page, or its fragment template if htmx requests a part and there is one."""
    chosen = fragment if fragment is not None and wants_fragment() else template
    unsaved = "typed" in g or status in SHOWN_AGAIN
    response = make_response(render_template(chosen, unsaved=unsaved, **context), status)
    response.headers["Vary"] = VARY
    return response


def text_of(template: str, /, **context: Any) -> str:
    """Render a template outside of a request, such as an email."""
    return current_app.jinja_env.get_template(template).render(**context)


def keep_address(response: Response, url: str, *, extends: bool) -> Response:
    """Set the browser's URL for a fragment, as a new history entry or in place of the last one (`extends`)."""
    if wants_fragment():
        response.headers["HX-Replace-Url" if extends else "HX-Push-Url"] = url
    return response


def redirect(url: str) -> Response:
    """Redirect the whole page. fetch would follow a 303 silently, so htmx gets its own header."""
    url = iri_to_uri(url)
    if request.headers.get("HX-Request") == "true":
        response = make_response("", 200)
        response.headers["HX-Redirect"] = url
    else:
        response = make_response("", 303)
        response.headers["Location"] = url
    response.headers["Vary"] = VARY
    return response
