"""Pages for invitations, and for addresses that are not confirmed yet."""

from __future__ import annotations

import uuid

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue

from portal.core.email_addresses import readable_email
from portal.core.errors import RateLimited
from portal.mail.notices import flash_sent
from portal.resources.blueprint import blueprint
from portal.users import email_changes, invitations
from portal.users.permissions import USERS_INVITE, USERS_WRITE
from portal.users.resource import resource, say_invited
from portal.web import attempts, reauthentication
from portal.web.confirming import render_question
from portal.web.guards import requires
from portal.web.rendering import redirect, render

bp = blueprint(resource)
ENOUGH_EMAILS = "Too many emails. Try again in {} minutes."
REVOKED = (
    "All links that were sent or shown stop working.",
    "The person stays. You can send a new invitation at any time.",
)


@bp.post("/<uuid:id>/invitation")
@requires(USERS_INVITE)
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
    """Revoke the invitation. GET asks for confirmation."""
    if request.method != "POST":
        user = resource.one(id)
        invitations.check_waiting(user)
        title, back_url = f"Revoke the invitation of {user.name}?", url_for(".show", id=id)
        return render_question(title, REVOKED, verb="Revoke invitation", back_url=back_url, risky=True)
    user = invitations.revoke(id)
    flash(f"Invitation of {user.name} revoked. Its link no longer works.", "success")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/invitation/link")
@requires(USERS_INVITE)
@reauthentication.required
def invitation_link(id: uuid.UUID) -> ResponseReturnValue:
    """Create a link to hand over, and show it once."""
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
    """Keep the current address instead of the requested one."""
    user = email_changes.cancel(id)
    flash(f"{readable_email(user.email)} stays the address of {user.name}.", "success")
    return redirect(url_for(".show", id=id))
