"""Pages of people in addition to those of every resource."""

from __future__ import annotations

import uuid

from flask import Response, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.core.email_addresses import readable_email
from portal.mail.notices import can_send, flash_sent
from portal.users import consequences, invitation_views, locks, mfa_resets, resets, states
from portal.users.commands import users
from portal.users.data import download_data
from portal.users.devices import end_all, end_one
from portal.users.permissions import USERS_READ, USERS_WRITE
from portal.users.resource import resource
from portal.web import attempts, reauthentication
from portal.web.activity_feed import confirm
from portal.web.agents import browser_of, signed_out
from portal.web.confirming import ask_first, render_question
from portal.web.forms import posted_key
from portal.web.guards import requires
from portal.web.rendering import redirect

bp = invitation_views.bp
SIGNS_IN_AGAIN = "They can sign in again, with the same password."
RESET_UNSENT = "The password no longer works. No email was sent to {}, because the account is deactivated."
OPERATOR_HINT = "An operator can set a password: flask users set-password {}"


bp.add_app_template_filter(states.name_of, "person")
bp.add_app_template_filter(states.state_of, "state")


@bp.route("/<uuid:id>/deactivation", methods=["GET", "POST"])
@requires(USERS_WRITE)
def deactivation(id: uuid.UUID) -> ResponseReturnValue:
    """Activate or deactivate a person. GET asks for confirmation."""
    if request.method != "POST":
        user = resource.one(id)
        verb = "Deactivate" if user.is_active else "Activate"
        sentences = consequences.of_leaving(user, "deactivate") if user.is_active else (SIGNS_IN_AGAIN,)
        fields = [("is_active", "" if user.is_active else "y")]
        return render_question(
            f"{verb} {user.name}?",
            sentences,
            verb=f"{verb} person",
            back_url=url_for(".show", id=id),
            fields=fields,
            risky=user.is_active,
        )
    is_active = bool(request.form.get("is_active"))
    if is_active and (asked := _ask_to_activate(id)):
        return asked
    user = users.set_active(id, is_active=is_active)
    done = "activated" if user.is_active else "deactivated"
    confirm(user, f"{user.name} {done}.", resource.undo_url(id))
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/first-day")
@requires(USERS_WRITE)
def cancel_activation(id: uuid.UUID) -> ResponseReturnValue:
    """Cancel the scheduled activation of an account."""
    user = users.set_value(id, "activates_on", None)
    confirm(user, f"{user.name} stays deactivated.", resource.undo_url(id))
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/expiry")
@requires(USERS_WRITE)
def cancel_expiry(id: uuid.UUID) -> ResponseReturnValue:
    """Cancel the expiry of an account."""
    user = users.set_value(id, "expires_on", None)
    confirm(user, f"{user.name}’s account no longer expires.", resource.undo_url(id))
    return redirect(url_for(".show", id=id))


@bp.route("/<uuid:id>/password", methods=["GET", "POST"])
@requires(USERS_WRITE)
@reauthentication.required
def password_reset(id: uuid.UUID) -> ResponseReturnValue:
    """Remove the password and email a link to choose a new one. GET asks for confirmation."""
    if request.method != "POST":
        user = resource.one(id)
        sentences = consequences.of_reset(user, is_mailed=can_send())
        title, back_url = f"Reset the password of {user.name}?", url_for(".show", id=id)
        return render_question(title, sentences, verb="Reset password", back_url=back_url)
    user = resets.reset_password(id, attempts.of_emails_to(id))
    if user.is_active:
        sent = (
            f"A link to choose a new password is on its way to {readable_email(user.email)}. It works for 15 minutes."
        )
        flash_sent(sent, "The link to choose a new password", OPERATOR_HINT.format(readable_email(user.email)))
    else:
        flash(RESET_UNSENT.format(readable_email(user.email)), "success")
    return redirect(url_for(".show", id=id))


@bp.route("/<uuid:id>/second-factor", methods=["GET", "POST"])
@requires(USERS_WRITE)
@reauthentication.required
def mfa_reset(id: uuid.UUID) -> ResponseReturnValue:
    """Reset a person's two-factor authentication. GET asks for confirmation."""
    if request.method != "POST":
        user = resource.one(id)
        title, back_url = f"Reset two-factor authentication of {user.name}?", url_for(".show", id=id)
        sentences, verb = consequences.of_mfa_reset(user), "Reset two-factor authentication"
        return render_question(title, sentences, verb=verb, back_url=back_url, risky=True)
    name = mfa_resets.reset(id)
    flash(f"Two-factor authentication of {name} was reset.", "success")
    return redirect(url_for(".show", id=id))


@bp.get("/<uuid:id>/export")
@requires(USERS_READ)
def data(id: uuid.UUID) -> ResponseReturnValue:
    """Download everything that is stored about a person."""
    return download_data(resource.one(id, with_deleted=True))


@bp.post("/<uuid:id>/unlock")
@requires(USERS_WRITE)
@reauthentication.required
def unlock(id: uuid.UUID) -> ResponseReturnValue:
    """Lift the rate limit on a person's sign-in."""
    name = locks.unlock(id)
    flash(f"{name} can try to sign in again.", "success")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/sign-ins/end")
@requires(USERS_WRITE)
@reauthentication.required
def end_session(id: uuid.UUID) -> ResponseReturnValue:
    """End one session of a person."""
    flash(f"{browser_of(end_one(id, posted_key('session')))} was signed out.", "success")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/sign-ins/end-all")
@requires(USERS_WRITE)
@reauthentication.required
def end_sessions(id: uuid.UUID) -> ResponseReturnValue:
    """End all of a person's sessions except the current one."""
    flash(signed_out(end_all(id, besides=current_user.session_id)), "success")
    return redirect(url_for(".show", id=id))


def _ask_to_activate(id: uuid.UUID) -> Response | None:
    """Ask for confirmation before an administrator can sign in again; None once it is given."""
    user = resource.one(id, with_deleted=True)
    sentences = [] if user.is_active or user.is_deleted else consequences.of_returning(user, user.organization)
    return ask_first(f"Activate {user.name}?", sentences, verb="Activate person", back_url=url_for(".show", id=id))
