"""The pages of invitations, and of addresses that are not confirmed yet."""

from __future__ import annotations

import uuid

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from portal.core.db import db
from portal.core.email_addresses import readable_email
from portal.core.errors import Missing, RateLimited
from portal.mail.notices import flash_sent
from portal.organizations.models import Organization
from portal.users import email_changes, invitations, queries
from portal.users.models import User
from portal.users.permissions import USERS_WRITE
from portal.web import attempts, reauthentication
from portal.web.confirming import render_question
from portal.web.guards import requires
from portal.web.rendering import redirect, render

bp = Blueprint("users", __name__, url_prefix="/users")  # of all pages of people: see views.py
ENOUGH_EMAILS = "Too many emails. Try again in {} minutes."
REVOKED = (
    "Links that were sent or shown before stop working.",
    "The person is kept. You can send a new invitation at any time.",
)


@bp.post("/<uuid:id>/invitation")
@requires(USERS_WRITE)
def invitation(id: uuid.UUID) -> ResponseReturnValue:
    """Send the invitation again."""
    try:
        user = invitations.invite_again(id, attempts.of_emails_to(id))
    except RateLimited as rate_limited:
        flash(ENOUGH_EMAILS.format(-(-rate_limited.seconds // 60)), "error")
    else:
        say_invited(readable_email(user.email), is_active=True)
    return redirect(url_for(".show", id=id))


@bp.route("/<uuid:id>/invitation/revocation", methods=["GET", "POST"])
@requires(USERS_WRITE)
def revocation(id: uuid.UUID) -> ResponseReturnValue:
    """Revoke the invitation. GET asks first."""
    if request.method != "POST":
        user, _ = found(id)
        invitations.check_waiting(user)
        title, back_url = f"Revoke the invitation of {user.name}?", url_for(".show", id=id)
        return render_question(title, REVOKED, verb="Revoke invitation", back_url=back_url, risky=True)
    user = invitations.revoke(id)
    flash(f"Invitation of {user.name} revoked. Its link no longer works.", "success")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/invitation/link")
@requires(USERS_WRITE)
@reauthentication.required
def invitation_link(id: uuid.UUID) -> ResponseReturnValue:
    """Show a link to hand over, once."""
    user, link = invitations.link_of(id)
    return render("users/invitation_link.html", user=user, link=link)


@bp.post("/<uuid:id>/verification")
@requires(USERS_WRITE)
def verification(id: uuid.UUID) -> ResponseReturnValue:
    """Send the link for confirming the address again."""
    try:
        user = email_changes.send_verification(id, attempts.of_emails_to(id))
    except RateLimited as rate_limited:
        flash(ENOUGH_EMAILS.format(-(-rate_limited.seconds // 60)), "error")
    else:
        sent = f"A link to confirm the address is on its way to {readable_email(user.pending_email or user.email)}."
        flash_sent(sent, "The link to confirm the address")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/verification/cancellation")
@requires(USERS_WRITE)
def cancellation(id: uuid.UUID) -> ResponseReturnValue:
    """Keep the current address; the requested one is dropped."""
    user = email_changes.cancel(id)
    flash(f"{readable_email(user.email)} stays the address of {user.name}.", "success")
    return redirect(url_for(".show", id=id))


def found(user_id: uuid.UUID, *, with_deleted: bool = False) -> tuple[User, Organization | None]:
    statement = queries.by_id(user_id).outerjoin(Organization, Organization.id == User.organization_id)
    both = statement.add_columns(Organization)
    row = db.session.execute(both, execution_options={"with_deleted": with_deleted}).first()
    if row is None:
        raise Missing
    return row[0], row[1]


def say_invited(email: str | None, *, is_active: bool) -> None:
    """Say what happens to a new invitation."""
    if is_active:
        sent = f"An invitation is on its way to {email}. It works for 7 days."
        flash_sent(sent, "The invitation", "Show its link and pass it on yourself.")
    else:
        flash("Created. The invitation goes out once the person is activated.", "success")
