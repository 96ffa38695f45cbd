"""The door: signing in and out."""

from __future__ import annotations

from flask import Blueprint, current_app, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import demo
from portal.auth import commands
from portal.auth.forms import LoginForm
from portal.config import Settings
from portal.core.actor import Role
from portal.web import session
from portal.web.addresses import safe_next
from portal.web.guards import public
from portal.web.rendering import redirect, render

bp = Blueprint("auth", __name__)
MISMATCH = "E-mail and password don’t match. Try again, or ask your administrator for a new password."


@bp.route("/login", methods=["GET", "POST"])
@public
def login() -> ResponseReturnValue:
    """Sign in. Nobody learns whether an address is known."""
    if current_user.is_authenticated and request.method != "POST":
        return redirect(url_for("account.index"))
    form = LoginForm(data={"next": request.args.get("next", "")})
    settings: Settings = current_app.extensions["portal"]
    if form.validate_on_submit():
        lasts = current_app.permanent_session_lifetime
        former = current_user._get_current_object() if current_user.is_authenticated else None
        person = commands.sign_in(
            form.email.data or "", form.password.data or "", lasts=lasts, demo=not settings.production
        )
        if person is not None:
            if former:
                commands.sign_out(former)
            session.begin(person)
            home = "/account/" if person.role is Role.USER else "/"
            return redirect(safe_next(form.next.data, home))
        form.form_errors.append(MISMATCH)
    hint = None if settings.production else {"accounts": demo.DEMO_ACCOUNTS, "password": demo.DEMO_PASSWORD}
    return render("auth/login.html", form=form, demo=hint, status=422 if form.errors else 200)


@bp.post("/logout")
@public
def logout() -> ResponseReturnValue:
    """Sign out, here and on the server."""
    if current_user.is_authenticated:
        commands.sign_out(current_user)
        session.end()
    return redirect(url_for(".login"))
