"""Pages for the signed-in person's own account."""

from __future__ import annotations

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.account.forms import EmailForm, PasswordForm, ProfileForm
from portal.auth.commands import is_own_password, sign_in_anew
from portal.auth.lifetimes import lifetime
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, db
from portal.core.email_addresses import readable_email
from portal.core.errors import Missing, RateLimited
from portal.core.rate_limit import attempt
from portal.mail.notices import flash_sent
from portal.tokens.queries import api_tokens_in_use
from portal.tokens.words import api_tokens as words
from portal.users import commands, email_changes, passwords, queries
from portal.users.data import download_data
from portal.users.devices import devices_of, end_all, end_one
from portal.users.models import User
from portal.users.rules import rule_for
from portal.users.strength import Strength, strength_of
from portal.web import attempts, reauthentication, session
from portal.web.activity_feed import history_of
from portal.web.agents import browser_of, signed_out
from portal.web.forms import posted_key, reporting_conflicts
from portal.web.guards import public, signed_in
from portal.web.rendering import redirect, render

bp = Blueprint("account", __name__, url_prefix="/account")
LONGEST_WORDS = 1000
SHORTEST = 8


@bp.route("/", methods=["GET", "POST"])
@signed_in(is_viewable=True)
def index() -> ResponseReturnValue:
    """Show and change the profile."""
    user = _myself()
    form = ProfileForm(user)
    if form.validate_on_submit():
        commands.update_profile(user.id, form.values())
        flash("Profile saved.", "success")
        return redirect(url_for(".index"))
    history = history_of("users", user.id)
    return render("account/index.html", form=form, user=user, history=history, status=422 if form.errors else 200)


@bp.route("/password", methods=["GET", "POST"])
@signed_in(with_temporary_password=True)
def password() -> ResponseReturnValue:
    """Change the password. All other sessions end, and this one continues with a new token."""
    form = PasswordForm(rule=rule_for(current_user.id))
    if current_user.must_change_password:
        form.current_password.label.text = "Temporary password"
    api_tokens = db.session.scalar(api_tokens_in_use(current_user.id)) or 0
    if form.validate_on_submit() and _is_current_password(form):
        commands.set_password(current_user.id, form.password.data or "")
        person = sign_in_anew(current_user, lifetime=lifetime(is_kept=current_user.is_kept))
        if person is not None:
            session.begin(person)
        ended = f", and so {'has' if api_tokens == 1 else 'have'} {words(api_tokens)}" if api_tokens else ""
        flash(f"Your new password is set. All your other sessions have ended{ended}.", "success")
        return redirect(url_for(".index"))
    return render(
        "account/password.html",
        form=form,
        forced=current_user.must_change_password,
        api_tokens=api_tokens,
        status=422 if form.errors else 200,
    )


@bp.route("/email", methods=["GET", "POST"])
@signed_in()
def email() -> ResponseReturnValue:
    """Request another email address. It takes effect once it is confirmed."""
    user, form = _myself(), EmailForm()
    if form.validate_on_submit() and _is_current_password(form):
        try:
            with reporting_conflicts(form):
                email_changes.ask_for(user.id, form.email.address, attempts.of_emails_to(user.id))
                sent = f"A link is on its way to {form.email.data}. It takes effect once you confirm it."
                flash_sent(sent, "The link to confirm the new address")
                return redirect(url_for(".email"))
        except RateLimited as rate_limited:
            attempts.refuse(form, rate_limited)
    return render("account/email.html", form=form, user=user, status=422 if form.errors else 200)


@bp.post("/email/verification")
@signed_in()
def verification() -> ResponseReturnValue:
    """Send the confirmation link again."""
    try:
        user = email_changes.send_verification(current_user.id, attempts.of_emails_to(current_user.id))
    except RateLimited as rate_limited:
        flash(f"Too many emails. Try again in {-(-rate_limited.seconds // 60)} minutes.", "error")
    else:
        flash_sent(f"A link is on its way to {readable_email(user.pending_email or user.email)}.", "The link")
    return redirect(url_for(".email"))


@bp.post("/email/cancellation")
@signed_in()
def cancellation() -> ResponseReturnValue:
    """Keep the current address."""
    email_changes.cancel(current_user.id)
    flash("Your email address stays the same.", "success")
    return redirect(url_for(".email"))


@bp.get("/devices")
@signed_in()
def devices() -> ResponseReturnValue:
    """List the person's sessions."""
    return render("account/devices.html", devices=devices_of(current_user.id))


@bp.post("/devices/end")
@signed_in()
@reauthentication.required
def end_session() -> ResponseReturnValue:
    """End one session."""
    flash(f"{browser_of(end_one(current_user.id, posted_key('session')))} was signed out.", "success")
    return redirect(url_for(".devices"))


@bp.post("/devices/end-others")
@signed_in()
@reauthentication.required
def end_others() -> ResponseReturnValue:
    """End all sessions except this one."""
    flash(signed_out(end_all(current_user.id, besides=current_user.session_id)), "success")
    return redirect(url_for(".devices"))


@bp.get("/export")
@signed_in()
def data() -> ResponseReturnValue:
    """Download everything that is stored about the person."""
    return download_data(_myself())


@bp.post("/password/strength")
@public
def strength() -> ResponseReturnValue:
    """Rate the strength of a password while it is typed. Nothing is stored."""
    typed = request.form.get("password", "")
    try:
        with acting_as(SYSTEM):
            attempt(attempts.of_strength())
        found = _strength(typed) if typed else None
    except RateLimited:
        found = None
    return render("account/_strength.html", strength=found)


def _strength(typed: str) -> Strength:
    minimum = request.form.get("minimum", type=int) or SHORTEST
    words = request.form.get("words", "")[:LONGEST_WORDS].split("\n")
    return strength_of(typed, max(minimum, SHORTEST), passwords.words_about(*words))


def _is_current_password(form: PasswordForm | EmailForm) -> bool:
    """Check the current password. Add an error to the form if it is wrong or there were too many attempts."""
    counter = attempts.of_own_password(current_user.id)
    try:
        if is_own_password(current_user, form.current_password.data or "", counter):
            return True
        form.current_password.errors = ["Wrong password. Enter your current password."]
    except RateLimited as rate_limited:
        attempts.refuse(form, rate_limited)
    return False


def _myself() -> User:
    user = db.session.scalar(queries.by_id(current_user.id))
    if user is None:
        raise Missing
    return user
