"""Pages for signing in and out. Pages behind emailed links are in portal/auth/mailed.py."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, Response, flash, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import Row

from portal import demo
from portal.auth import commands, redeeming
from portal.auth.forms import ForgottenForm, LoginForm, PasskeyForm, TwoFactorForm
from portal.auth.lifetimes import lifetime
from portal.core.actor import Role
from portal.core.clock import now
from portal.core.email_addresses import lookup_email, readable_email
from portal.core.errors import RateLimited
from portal.mfa import challenges, passkeys
from portal.mfa import commands as mfa
from portal.mfa.words import PASSKEY
from portal.web import arrival, attempts, session
from portal.web.given import current_settings
from portal.web.guards import public
from portal.web.rendering import redirect, render
from portal.web.urls import safe_next

bp = Blueprint("auth", __name__)
ENDED = "Your session expired or was ended. Sign in again to continue."
MISMATCH = "Email and password don’t match. Try again, or reset your password."
ASKED = "If an account with {} exists, we have emailed it a link. The link works for 15 minutes."
AWAITED, ALONE, BESIDE = "awaited", "passkey alone", "passkey beside a password"
UNKNOWN_PASSKEY = "This passkey didn’t work. Try again, or sign in with your password."
WRONG_CODE = "This code is wrong or was already used. Wait for your app’s next code, or enter a recovery code."
WRONG_PASSKEY = "The passkey didn’t work. Try again, or enter a code."


@bp.route("/login", methods=["GET", "POST"])
@public
def login() -> ResponseReturnValue:
    """Sign in, without revealing whether an address is known."""
    if current_user.is_authenticated and request.method != "POST":
        return _led(request.args.get("next"), current_user.role)
    if request.method != "POST" and session.has_ended():
        flash(ENDED)
    settings = current_settings()
    wanted = None if settings.production else request.args.get("email")
    chosen = [email for _, email in demo.DEMO_ACCOUNTS if email == wanted]
    form = LoginForm(data={"next": request.args.get("next", ""), "email": "".join(chosen)})
    if form.validate_on_submit():
        email = lookup_email(form.email.data or "")
        try:
            person = _checked(email, form.password.data or "", is_kept=form.keep.data, demo=not settings.production)
            if isinstance(person, commands.Awaited):
                return _half_way(person, is_kept=form.keep.data, there=form.next.data)
            if person is not None:
                return begun(person, form.next.data)
            form.form_errors.append(MISMATCH)
        except RateLimited as rate_limited:
            attempts.refuse(form, rate_limited)
    return _door(form, 422 if form.errors else 200)


def _door(form: LoginForm, status: int) -> Response:
    settings = current_settings()
    hint = None if settings.production else {"accounts": demo.DEMO_ACCOUNTS, "password": demo.DEMO_PASSWORD}
    here = challenges.site()
    options = passkeys.request_options(here, challenges.asked(ALONE), alone=True) if here else None
    mails = settings.missing_for_mail is None
    return render("auth/login.html", form=form, demo=hint, mails=mails, options=options, status=status)


def _checked(email: str, password: str, *, is_kept: bool, demo: bool) -> session.SignedIn | commands.Awaited | None:
    return commands.sign_in(
        email, password, lifetime=lifetime(is_kept=is_kept), demo=demo, counters=attempts.at_sign_in(email)
    )


def begun(person: session.SignedIn, there: str | None) -> Response:
    """Start a session, replacing the browser's former one."""
    attempts.remember_device(person.email)
    if current_user.is_authenticated:
        commands.sign_out(current_user)
    session.begin(person)
    return _led(there, person.role)


def _led(there: str | None, role: Role | None) -> Response:
    start = url_for("account.index" if role is Role.USER else "dashboard.index")
    target = safe_next(there, start)
    return redirect(start) if target == start else arrival.redirect_after_sign_in(target)


@bp.post("/login/passkey")
@public
def passkey() -> ResponseReturnValue:
    """Sign in without a password. The device verified its user by fingerprint, face or PIN."""
    sent = PasskeyForm()
    form = LoginForm(formdata=None, data={"next": sent.next.data or ""})
    try:
        answer = challenges.answered(ALONE, sent.credential.data or "")
        counters = [attempts.of_network()]
        person = commands.sign_in_with_passkey(answer, lifetime=lifetime(is_kept=False), counters=counters)
        if person is not None:
            return begun(person, sent.next.data)
        form.form_errors.append(UNKNOWN_PASSKEY)
    except RateLimited as rate_limited:
        attempts.refuse(form, rate_limited)
    return _door(form, 422)


def _half_way(waiting: commands.Awaited, *, is_kept: bool, there: str | None) -> Response:
    """Remember in the browser, for five minutes, whose second factor is missing."""
    at = int(now().timestamp())
    kept = {"who": str(waiting.user_id), "password": waiting.password, "keep": bool(is_kept), "next": there, "at": at}
    cookie[AWAITED] = kept
    return redirect(url_for(".two_factor"))


@bp.route("/login/second", methods=["GET", "POST"])
@public
def two_factor() -> ResponseReturnValue:
    """Ask for the second factor: a code or a passkey. There is no session until then."""
    kept = cookie.get(AWAITED, {})
    person = _awaited(kept)
    if person is None:
        if cookie.pop(AWAITED, None):
            flash("That took too long, or your password was changed. Sign in again.", "error")
        return redirect(url_for(".login"))
    form, answer = TwoFactorForm(), PasskeyForm().credential.data
    if request.method == "POST" and (answer or form.validate()):
        try:
            signed_in = commands.finish_sign_in(
                person,
                _verifier(form, answer),
                lifetime=lifetime(is_kept=kept["keep"]),
                counter=attempts.at_two_factor(person.email, person.id),
            )
            if signed_in is not None:
                return begun(signed_in, kept["next"])
            form.code.errors = [WRONG_PASSKEY if answer else WRONG_CODE]
        except RateLimited as rate_limited:
            attempts.refuse(form, rate_limited)
    return _two_factor_page(form, person.id)


def _awaited(kept: dict[str, Any]) -> Row[Any] | None:
    if not 0 <= now().timestamp() - kept.get("at", 0) < challenges.SECONDS:
        return None
    return commands.awaited(commands.Awaited(uuid.UUID(kept["who"]), kept["password"]))


def _verifier(form: TwoFactorForm, credential: str | None) -> commands.Verifier:
    if not credential:
        return lambda who: mfa.use_code(who, form.code.data or "")
    answer = challenges.answered(BESIDE, credential)
    return lambda who: PASSKEY if mfa.use_passkey(answer, owner=who) else None


def _two_factor_page(form: TwoFactorForm, user_id: uuid.UUID) -> Response:
    mine, here = mfa.methods_of(user_id), challenges.site()
    options = None
    if mine.passkeys and here:
        options = passkeys.request_options(here, challenges.asked(BESIDE), mine.passkeys)
    elsewhere = challenges.better_address() if mine.passkeys and not here else None
    status = 422 if form.errors else 200
    return render(
        "auth/two_factor.html",
        form=form,
        has_app=mine.app is not None,
        options=options,
        elsewhere=elsewhere,
        status=status,
    )


@bp.get("/.well-known/change-password")
@public
def change_password() -> ResponseReturnValue:
    """Redirect password managers to the password page (https://www.w3.org/TR/change-password-url/)."""
    return redirect(url_for("account.password"))


@bp.post("/logout")
@public
@session.as_viewer
def logout() -> ResponseReturnValue:
    """Sign out, in the browser and on the server."""
    if current_user.is_authenticated:
        commands.sign_out(current_user)
        session.end()
    return redirect(url_for(".login"))


@bp.route("/password/forgot", methods=["GET", "POST"])
@public
def forgotten() -> ResponseReturnValue:
    """Request a link to a new password, without revealing whether an address is known."""
    form = ForgottenForm()
    if form.validate_on_submit():
        email = lookup_email(form.email.data or "")
        try:
            redeeming.ask_for_reset(email, attempts.at_forgotten(email))
        except RateLimited as rate_limited:
            attempts.refuse(form, rate_limited)
        else:
            flash(ASKED.format(readable_email(email)), "success")
            return redirect(url_for(".login"))
    return render("auth/forgotten.html", form=form, status=422 if form.errors else 200)
