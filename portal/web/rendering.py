"""Is a page wanted, or a fragment of it?"""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, g, make_response, render_template, request
from werkzeug.urls import iri_to_uri

SHOWN_AGAIN = (409, 422, 429)  # responses that show typed but unsaved values
VARY = "HX-Request, HX-Request-Type, Cookie"


def wants_fragment() -> bool:
    """htmx asks for a part of a page; going back in history it asks for the whole one."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Request-Type") == "partial"


def render(template: str, /, *, fragment: str | None = None, status: int = 200, **context: Any) -> Response:
    """The page, or its fragment file where htmx asked for a part and there is one."""
    chosen = fragment if fragment is not None and wants_fragment() else template
    unsaved = "typed" in g or status in SHOWN_AGAIN
    response = make_response(render_template(chosen, unsaved=unsaved, **context), status)
    response.headers["Vary"] = VARY
    return response


def text_of(template: str, /, **context: Any) -> str:
    """A template that is no page, where there need be no request: an email's."""
    return current_app.jinja_env.get_template(template).render(**context)


def keep_address(response: Response, url: str, *, extends: bool) -> Response:
    """Let the browser's address follow a fragment: a new entry in its history, or in place of the last (`extends`)."""
    if wants_fragment():
        response.headers["HX-Replace-Url" if extends else "HX-Push-Url"] = url
    return response


def redirect(url: str) -> Response:
    """Go there with a whole page. fetch would follow 303 silently, so htmx is told in its own words."""
    url = iri_to_uri(url)
    if request.headers.get("HX-Request") == "true":
        response = make_response("", 200)
        response.headers["HX-Redirect"] = url
    else:
        response = make_response("", 303)
        response.headers["Location"] = url
    response.headers["Vary"] = VARY
    return response
