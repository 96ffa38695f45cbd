"""The search, as a page and as a dialog over any page; keyboard shortcuts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from portal.search.finding import corrected, groups_for
from portal.web import cookies
from portal.web.given import found
from portal.web.guards import signed_in
from portal.web.rendering import redirect, render

YEAR = 31_536_000

bp = Blueprint("search", __name__)


@bp.get("/search")
@signed_in(is_viewable=True)
def index() -> ResponseReturnValue:
    """Show the results on a page."""
    text = request.args.get("q", "")
    return render("search/index.html", **_found(text, counts=True))


@bp.get("/search/dialog")
@signed_in(is_viewable=True)
def dialog() -> ResponseReturnValue:
    """Show the dialog or, with an argument `q`, its results. Without htmx, a page."""
    text = request.args.get("q")
    fragment = "search/_dialog.html" if text is None else "search/_options.html"
    return render("search/index.html", fragment=fragment, **_found(text or "", counts=False))


def _found(text: str, *, counts: bool) -> dict[str, Any]:
    groups = groups_for(text, counts=counts)
    return {"q": text, "groups": groups, "better": None if groups else corrected(text)}


@bp.get("/shortcuts")
@signed_in(is_viewable=True)
def shortcuts() -> ResponseReturnValue:
    """List the keyboard shortcuts, on a page or in a dialog."""
    pages = [(link.key, *target) for link in found() if link.key and (target := link.target())]
    return render("search/shortcuts.html", fragment="search/_shortcuts.html", pages=pages, is_on=shortcuts_are_on())


@bp.post("/shortcuts")
@signed_in()
def switch() -> ResponseReturnValue:
    """Turn single-key shortcuts on or off in this browser: speech input can press keys by mistake."""
    response = redirect(url_for(".shortcuts"))
    if request.form.get("turn") == "off":
        cookies.keep(response, "shortcuts", "off", seconds=YEAR)
        flash("Single-key shortcuts are off in this browser.", "success")
    else:
        cookies.forget(response, "shortcuts")
        flash("Single-key shortcuts are on in this browser.", "success")
    return response


@bp.app_template_global()
def shortcuts_are_on() -> bool:
    return cookies.read("shortcuts") != "off"
