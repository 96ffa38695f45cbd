"""The page where SUPER_ADMINs change the brand."""

from __future__ import annotations

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from portal.brand import commands, queries
from portal.brand.forms import BrandForm
from portal.brand.permissions import BRAND_WRITE
from portal.brand.preview import previews
from portal.core.db import db
from portal.core.errors import Conflict, Missing
from portal.web import brand as shown
from portal.web.activity_feed import offer_undo
from portal.web.given import current_settings
from portal.web.guards import requires
from portal.web.people import names_of
from portal.web.rendering import redirect, render

bp = Blueprint("brand", __name__, url_prefix="/branding")


def _form() -> BrandForm:
    return BrandForm(*commands.newest())


def _render(form: BrandForm, *, fragment: str | None = None, status: int = 200) -> ResponseReturnValue:
    settings = current_settings()
    versions = db.session.execute(queries.latest()).all()
    return render(
        "brand/index.html",
        fragment=fragment,
        status=status,
        form=form,
        operators=settings,
        previews=list(
            previews(
                form.name.data or settings.product_name,
                form.accent.data or (settings.accent.light if settings.accent else None),
                form.accent_dark.data or (settings.accent.dark if settings.accent and not form.accent.data else None),
                form.logo or settings.logo,
            )
        ),
        versions=versions,
        names=names_of()([one.actor_id for one in versions if one.actor_id]),
    )


@bp.get("/")
@requires(BRAND_WRITE)
def index() -> ResponseReturnValue:
    """The form, what it would look like, and earlier versions."""
    return _render(_form())


@bp.post("/preview")
@requires(BRAND_WRITE)
def preview() -> ResponseReturnValue:
    """Show what is typed, without saving it."""
    form = _form()
    form.validate()
    return _render(form, fragment="brand/_preview.html")


@bp.post("/")
@requires(BRAND_WRITE)
def save() -> ResponseReturnValue:
    """Save what is typed."""
    form = _form()
    if not form.validate():
        return _render(form, status=422)
    try:
        if commands.save(form.values(), form.seen()):
            _confirm("Branding saved.", form.seen())
    except Conflict:
        form.form_errors.append(commands.STALE)
        form.version.data = str(commands.newest()[0])
        return _render(form, status=409)
    return redirect(url_for(".index"))


@bp.post("/restore")
@requires(BRAND_WRITE)
def restore() -> ResponseReturnValue:
    """Go back to an earlier version."""
    version, seen = _number("version"), commands.newest()[0]
    try:
        if commands.restore(version, seen):
            _confirm(f"Version {version} restored." if version else "Branding reset to the defaults.", seen)
    except Conflict:
        flash(commands.STALE, "error")
    return redirect(url_for(".index"))


def _confirm(text: str, former: int) -> None:
    """Show it in this process at once; other processes follow within seconds."""
    shown.read()
    offer_undo(text, url_for(".restore"), version=former)


def _number(name: str) -> int:
    text = request.form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Missing
    return int(text)
