"""The theme: light, dark or the operating system's, stored in a cookie."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from portal.web import cookies
from portal.web.guards import public
from portal.web.rendering import redirect
from portal.web.session import as_viewer
from portal.web.urls import safe_next

CHOICES = ("system", "light", "dark")
YEAR = 31_536_000

bp = Blueprint("theme", __name__)


@bp.post("/theme")
@public
@as_viewer
def choose() -> ResponseReturnValue:
    """Keep the choice for a year and return to the same page."""
    response = redirect(safe_next(request.form.get("next")))
    theme = request.form.get("theme")
    if theme == "system":
        cookies.forget(response, "theme")
    elif theme in CHOICES:
        cookies.keep(response, "theme", theme, seconds=YEAR)
    return response


def chosen() -> str | None:
    """`light` or `dark`; None for the operating system's."""
    theme = cookies.read("theme")
    return theme if theme in CHOICES[1:] else None
