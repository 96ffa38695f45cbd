"""Pages for a person's own API tokens."""

from __future__ import annotations

import uuid

from flask import Blueprint, flash, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.core.db import db
from portal.core.errors import Conflict
from portal.tokens import personal
from portal.tokens.forms import TokenForm, scope_labels
from portal.tokens.queries import api_tokens_of
from portal.tokens.words import api_tokens
from portal.web import reauthentication
from portal.web.guards import signed_in
from portal.web.rendering import redirect, render
from portal.web.signed_keys import signed_row

bp = Blueprint("tokens", __name__, url_prefix="/account/tokens")
bp.add_app_template_filter(api_tokens)


@bp.route("/", methods=["GET", "POST"])
@signed_in()
@reauthentication.required
def index() -> ResponseReturnValue:
    """List active tokens. POST creates one and shows it once."""
    form, made = TokenForm(data={"row": signed_row(), "days": "30", "scopes": ["profile"]}), None
    if form.validate_on_submit():
        try:
            made = personal.create(form.name.data or "", form.scopes.data or [], form.lasts(), row_id=form.row_id())
        except Conflict as conflict:
            form.add_conflict(conflict)
        else:
            if made is None:
                flash("This token was already created and shown once. If you lost it, revoke it and create a new one.")
                return redirect(url_for(".index"))
    tokens = db.session.scalars(api_tokens_of(current_user.id)).all()
    status = 201 if made else 422 if form.errors else 200
    return render("tokens/index.html", form=form, made=made, tokens=tokens, labels=scope_labels(), status=status)


@bp.post("/<uuid:id>/revoke")
@signed_in()
def revoke(id: uuid.UUID) -> ResponseReturnValue:
    """Revoke a token."""
    name = personal.revoke(id)
    flash(f"Token {name} revoked.", "success")
    return redirect(url_for(".index"))
