"""The door: signing in and out."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import demo
from portal.auth import commands
from portal.auth.forms import LoginForm
from portal.auth.lifetimes import lifetime
from portal.config import Settings
from portal.core.actor import Role
from portal.core.errors import Throttled
from portal.web import session, throttle
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
        email = commands.canonical(form.email.data or "")
        try:
            person = _checked(email, form.password.data or "", is_kept=form.keep.data, demo=not settings.production)
            if person is not None:
                throttle.remember_device(email)
                return _begun(person, form.next.data)
            form.form_errors.append(MISMATCH)
        except Throttled as throttled:
            throttle.refuse(form, throttled)
    hint = None if settings.production else {"accounts": demo.DEMO_ACCOUNTS, "password": demo.DEMO_PASSWORD}
    return render("auth/login.html", form=form, demo=hint, status=422 if form.errors else 200)


def _checked(email: str, password: str, *, is_kept: bool, demo: bool) -> session.SignedIn | None:
    return commands.sign_in(
        email, password, lifetime=lifetime(is_kept=is_kept), demo=demo, counters=throttle.at_sign_in(email)
    )


def _begun(person: session.SignedIn, there: str | None) -> Response:
    """The sign-in takes the place of the one that this browser had."""
    if current_user.is_authenticated:
        commands.sign_out(current_user)
    session.begin(person)
    home = "/account/" if person.role is Role.USER else "/"
    return redirect(safe_next(there, home))


@bp.post("/logout")
@public
def logout() -> ResponseReturnValue:
    """Sign out, here and on the server."""
    if current_user.is_authenticated:
        commands.sign_out(current_user)
        session.end()
    return redirect(url_for(".login"))
