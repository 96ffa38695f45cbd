"""Pages to set up two-factor authentication for one's own account."""

from __future__ import annotations

import uuid

from flask import Blueprint, Response, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.core.clock import now
from portal.core.errors import Missing, RateLimited
from portal.mfa import challenges, ciphers, codes, commands, passkeys
from portal.mfa.forms import AuthenticatorForm, PasskeyForm, RemovalForm
from portal.mfa.words import APP, PASSKEY
from portal.web import attempts, reauthentication
from portal.web.forms import reporting_conflicts
from portal.web.given import current_settings
from portal.web.guards import must_have_two_factor, signed_in
from portal.web.jinja import day
from portal.web.rendering import redirect, render

bp = Blueprint("mfa", __name__)
URL = "/account/second-factor"
SEALED_SECONDS = 900
ADDING = "adding a passkey"
LAST_OF_ROLE = (
    "Two-factor authentication is required for your account. Add another app or passkey before you remove this one."
)
TOO_SHORT = (
    "Your password has {} characters, which is long enough only with two-factor authentication."
    " Choose one with at least {} characters first."
)


@bp.get(URL)
@signed_in(without_two_factor=True)
def index() -> ResponseReturnValue:
    """Show the second factors that are set up, and those that can be added."""
    return _overview(PasskeyForm())


def _overview(form: PasskeyForm, status: int = 200) -> Response:
    mine, here = commands.methods_of(current_user.id), challenges.site()
    options = None
    if here and len(mine.passkeys) < commands.MOST_PASSKEYS:
        asked = challenges.asked(ADDING)
        options = passkeys.creation_options(here, asked, current_user.id, current_user.email, mine.passkeys)
    return render(
        "mfa/index.html",
        mine=mine,
        form=form,
        options=options,
        elsewhere=None if here else challenges.better_address(),
        must=must_have_two_factor(current_user),
        status=status,
    )


@bp.route(f"{URL}/app", methods=["GET", "POST"])
@signed_in(without_two_factor=True)
@reauthentication.required
def app() -> ResponseReturnValue:
    """Set up an authenticator app. Its secret is saved once a correct code is entered."""
    form = AuthenticatorForm()
    secret = _unsealed(form.sealed.data) if form.is_submitted() else None
    if secret is None:
        if form.is_submitted():
            flash("That took too long. Scan the new code below.", "error")
        secret = codes.new_secret()
        form = AuthenticatorForm(formdata=None, sealed=ciphers.encrypted(f"{current_user.id} {secret}"))
    elif form.validate():
        with reporting_conflicts(form):
            return _added(commands.add_authenticator(secret, form.code.data or ""), "Your authenticator app is set up.")
    return render(
        "mfa/app.html",
        form=form,
        qr_code=codes.qr_code(secret, current_user.email),
        secret=codes.in_groups(secret),
        must=must_have_two_factor(current_user),
        status=422 if form.errors else 200,
    )


def _unsealed(sealed: str | None) -> str | None:
    """The secret in a form that the same person opened recently, or None."""
    owner, _, secret = (ciphers.decrypted(sealed or "", seconds=SEALED_SECONDS) or "").partition(" ")
    return secret if owner == str(current_user.id) else None


@bp.post(f"{URL}/passkeys")
@signed_in(without_two_factor=True)
@reauthentication.required
def passkey() -> ResponseReturnValue:
    """Add a passkey that the browser created."""
    form = PasskeyForm()
    if form.validate_on_submit():
        answer = challenges.answered(ADDING, form.credential.data or "")
        name = form.name.data or f"Passkey of {day(now())}"
        with reporting_conflicts(form):
            return _added(commands.add_passkey(name, answer), "Passkey added.")
    return _overview(form, 422)


@bp.post(f"{URL}/codes")
@signed_in()
@reauthentication.required
def recovery_codes() -> ResponseReturnValue:
    """Replace the recovery codes, and show the new ones once."""
    return render("mfa/codes.html", codes=commands.renew_codes())


@bp.route(f"{URL}/remove", methods=["GET", "POST"])
@signed_in()
def remove() -> ResponseReturnValue:
    """Remove the app or a passkey. GET asks for confirmation and the password."""
    form = RemovalForm(data={"passkey": request.args.get("passkey", "")})
    mine, chosen = commands.methods_of(current_user.id), _key(form.passkey.data)
    named = [f"{PASSKEY} {one.name}" for one in mine.passkeys if one.id == chosen] if chosen else [mine.app and APP]
    if not named or not named[0]:
        raise Missing
    if form.validate_on_submit() and _is_password(form):
        with reporting_conflicts(form):
            commands.remove(chosen, last=_why_the_last_stays(form.password.data or ""))
            flash(f"Your {named[0]} was removed.", "success")
            return redirect(url_for(".index"))
    status = 422 if form.errors else 200
    return render("mfa/remove.html", form=form, what=named[0], is_last=mine.count == 1, status=status)


def _key(text: str | None) -> uuid.UUID | None:
    """The key of a passkey, or None for the app. Raises Missing if it is invalid."""
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise Missing from None


def _is_password(form: RemovalForm) -> bool:
    try:
        if reauthentication.is_own_password(form.password.data or ""):
            return True
        form.password.errors = ["Wrong password. Try again."]
    except RateLimited as rate_limited:
        attempts.refuse(form, rate_limited)
    return False


def _why_the_last_stays(password: str) -> str | None:
    settings = current_settings()
    if must_have_two_factor(current_user):
        return LAST_OF_ROLE
    least = settings.password_minimum
    return TOO_SHORT.format(len(password), least) if len(password) < least else None


def _added(recovery: list[str], text: str) -> Response:
    """Respond to a new second factor. The first one comes with recovery codes, which are shown once."""
    if not recovery:
        flash(text, "success")
        return redirect(url_for(".index"))
    return render("mfa/codes.html", codes=recovery, done=text)
