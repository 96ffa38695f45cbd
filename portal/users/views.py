"""The pages of people."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import select

from portal.core.actor import Role, current_actor
from portal.core.db import db
from portal.core.email_addresses import readable_email
from portal.core.errors import Conflict, RateLimited, Stale
from portal.core.policy import grantable_roles
from portal.mail.notices import can_send, flash_sent
from portal.mfa.queries import has_two_factor
from portal.organizations.models import Organization
from portal.users import consequences, invitation_views, locks, mfa_resets, queries, resets
from portal.users.commands import users
from portal.users.devices import devices_of, end_all, end_one
from portal.users.forms import EditUserForm, NewUserForm, written
from portal.users.invitation_views import found, say_invited
from portal.users.models import User, full_name, invitation_of
from portal.users.permissions import USERS_DELETE, USERS_READ, USERS_WRITE
from portal.web import attempts, conflicts, reauthentication
from portal.web.activity_feed import confirm, deleted_meanwhile, history_of
from portal.web.agents import browser_of, signed_out
from portal.web.confirming import ask_first
from portal.web.forms import posted_key, reporting_conflicts
from portal.web.guards import requires
from portal.web.people import stamps_of
from portal.web.rendering import redirect, render
from portal.web.return_to import list_url, next_url
from portal.web.searching import render_list
from portal.web.urls import here

bp = invitation_views.bp
RESET_UNSENT = "The password no longer works. No email went to {}, because the account is deactivated."
OPERATORS_WAY = "An operator can set a password: flask users set-password {}"


@bp.app_template_filter("person")
def name_of(row: Any) -> str:
    """How a person is called, given an entity or a row of a list."""
    return full_name(row.first_name, row.last_name, row.email)


@bp.app_template_filter("invitation")
def invitation_state(row: Any) -> str | None:
    """How the invitation of an entity or of a row of a list stands."""
    return invitation_of(row)


@bp.get("/")
@requires(USERS_READ)
def index() -> ResponseReturnValue:
    """The list."""
    listing = queries.listing(request.args, here())
    roles = [(role.name, role.label) for role in grantable_roles(current_actor())]
    return render_list("users", listing, role_choices=roles)


@bp.get("/<uuid:id>")
@requires(USERS_READ)
def show(id: uuid.UUID) -> ResponseReturnValue:
    """One person, deleted ones too: that is where they are restored."""
    is_rate_limited = locks.is_rate_limited(id)  # first, so that no connection waits for another
    user, organization = found(id, with_deleted=True)
    return render(
        "users/show.html",
        user=user,
        organization=organization,
        mails=can_send(),
        by=stamps_of(user),
        devices=devices_of(id),
        has_two_factor=db.session.scalar(select(has_two_factor(id))),
        is_rate_limited=is_rate_limited,
        history=history_of("users", id),
    )


@bp.route("/new", methods=["GET", "POST"])
@requires(USERS_WRITE)
def new() -> ResponseReturnValue:
    """Create a person, who is invited by mail."""
    form, offer = NewUserForm(request.args.get("organization", "")), None
    if form.validate_on_submit() and _may_go_on(form, consequences.of_creating(form), form.is_sensitive()):
        try:
            row_id = users.create(form.values(), row_id=form.row_id(), anew=form.anew.data)
        except Conflict as conflict:
            form.add_conflict(conflict)
            offer = _offer(conflict)
        else:
            say_invited(form.email.data, is_active=form.values()["is_active"])
            return redirect(url_for(".show", id=row_id))
    mails = can_send()
    return render("users/new.html", form=form, offer=offer, mails=mails, status=422 if form.errors else 200)


@bp.route("/<uuid:id>/edit", methods=["GET", "POST"])
@requires(USERS_WRITE)
def edit(id: uuid.UUID) -> ResponseReturnValue:
    """Change a person; where somebody else did so meanwhile, both edits are shown."""
    user, organization = found(id, with_deleted=True)
    if user.is_deleted:
        return deleted_meanwhile(user, url_for(".show", id=id))
    administered = organization if user.role is Role.ADMIN else None
    form = EditUserForm(user, organization)
    # If somebody else saved first, nothing is saved now, so there is nothing to confirm yet.
    if form.validate_on_submit() and (
        form.is_stale or _may_go_on(form, consequences.of_editing(form, user, organization), form.is_sensitive(user))
    ):
        try:
            with reporting_conflicts(form):
                if form.is_stale:
                    raise Stale(user)
                changed = users.update(id, form.seen_version(), form.values())
                _say_what_waits(changed, form)
                confirm(changed, "saved", url_for("activity.undo_person", id=id))
                _warn_if_nobody_administers(administered)
                return redirect(next_url(url_for(".show", id=id)))
        except RateLimited as rate_limited:
            attempts.refuse(form, rate_limited)
        except Stale:
            user, organization = found(id, with_deleted=True)
            if user.is_deleted:
                return deleted_meanwhile(user, url_for(".show", id=id))
            return conflicts.answer(form, user, written(user, organization), title="Two edits met", endpoint="users")
    return render("users/edit.html", form=form, user=user, status=422 if form.errors else 200)


@bp.route("/<uuid:id>/deactivation", methods=["GET", "POST"])
@requires(USERS_WRITE)
def deactivation(id: uuid.UUID) -> ResponseReturnValue:
    """Let a person sign in, or no more. GET asks first."""
    if request.method != "POST":
        user, _ = found(id)
        return render(
            "users/deactivation.html",
            fragment="users/_deactivation.html",
            user=user,
            consequences=consequences.of_leaving(user, "deactivate"),
        )
    is_active = bool(request.form.get("is_active"))
    if is_active and (asked := _ask_of_returning(id, "Activate")):
        return asked
    user = users.set_active(id, is_active=is_active)
    confirm(user, "active again" if user.is_active else "deactivated", url_for("activity.undo_person", id=id))
    return redirect(url_for(".show", id=id))


@bp.route("/<uuid:id>/password", methods=["GET", "POST"])
@requires(USERS_WRITE)
@reauthentication.required
def password_reset(id: uuid.UUID) -> ResponseReturnValue:
    """Take the password away and mail a link to choose another. GET asks first."""
    if request.method != "POST":
        user, _ = found(id)
        means = consequences.of_reset(user, is_mailed=can_send())
        template, fragment = "users/password_reset.html", "users/_password_reset.html"
        return render(template, fragment=fragment, user=user, consequences=means)
    user = resets.reset_password(id, attempts.of_emails_to(id))
    if user.is_active:
        sent = (
            f"A link to choose a new password is on its way to {readable_email(user.email)}. It works for 15 minutes."
        )
        flash_sent(sent, "The link to choose a new password", OPERATORS_WAY.format(readable_email(user.email)))
    else:
        flash(RESET_UNSENT.format(readable_email(user.email)), "success")
    return redirect(url_for(".show", id=id))


@bp.route("/<uuid:id>/second-factor", methods=["GET", "POST"])
@requires(USERS_WRITE)
@reauthentication.required
def mfa_reset(id: uuid.UUID) -> ResponseReturnValue:
    """Reset a person's two-factor authentication. GET asks first."""
    if request.method != "POST":
        user, _ = found(id)
        return render("users/mfa_reset.html", fragment="users/_mfa_reset.html", user=user)
    name = mfa_resets.reset(id)
    flash(f"Two-factor authentication of {name} reset.", "success")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/unlock")
@requires(USERS_WRITE)
@reauthentication.required
def unlock(id: uuid.UUID) -> ResponseReturnValue:
    """Let a person whom wrong passwords hold back try again at once."""
    name = locks.unlock(id)
    flash(f"{name} can try to sign in again.", "success")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/sign-ins/end")
@requires(USERS_WRITE)
@reauthentication.required
def end_session(id: uuid.UUID) -> ResponseReturnValue:
    """End one sign-in of a person."""
    flash(f"{browser_of(end_one(id, posted_key('session')))} is signed out.", "success")
    return redirect(url_for(".show", id=id))


@bp.post("/<uuid:id>/sign-ins/end-all")
@requires(USERS_WRITE)
@reauthentication.required
def end_sessions(id: uuid.UUID) -> ResponseReturnValue:
    """Sign a person out everywhere; oneself everywhere else."""
    flash(signed_out(end_all(id, besides=current_user.session_id)), "success")
    return redirect(url_for(".show", id=id))


@bp.route("/<uuid:id>/delete", methods=["GET", "POST"])
@requires(USERS_DELETE)
@reauthentication.required
def delete(id: uuid.UUID) -> ResponseReturnValue:
    """Delete a person. GET says first what it means."""
    if request.method != "POST":
        user, _ = found(id)
        means = consequences.of_leaving(user, "delete")
        return render("users/delete.html", fragment="users/_delete.html", user=user, consequences=means)
    user = users.delete(id)
    confirm(user, "deleted", url_for("activity.undo_person", id=id))
    return redirect(list_url(url_for(".index")))


@bp.post("/<uuid:id>/restore")
@requires(USERS_DELETE)
def restore(id: uuid.UUID) -> ResponseReturnValue:
    """Bring a person back. Asks first if that gives power."""
    if asked := _ask_of_returning(id, "Restore"):
        return asked
    try:
        user = users.restore(id)
    except Conflict as conflict:
        flash(f"Not restored. {conflict.message}", "error")
    else:
        confirm(user, "restored", url_for("activity.undo_person", id=id))
    return redirect(url_for(".show", id=id))


def _may_go_on(form: NewUserForm | EditUserForm, means: list[str], is_sensitive: bool) -> bool:
    """Whether the consequences are confirmed, and the password was entered if required. Asks for both at once."""
    is_confirmed = form.is_confirmed(means)
    return (not (is_sensitive or means) or reauthentication.confirmed(form)) and is_confirmed


def _ask_of_returning(id: uuid.UUID, verb: str) -> Response | None:
    """The questions before a person with power over others can sign in again; None once they are answered."""
    user, organization = found(id, with_deleted=True)
    returns = user.is_deleted if verb == "Restore" else not user.is_active and not user.is_deleted
    means = consequences.of_returning(user, organization) if returns else []
    title, back_url = f"{verb} {user.name}?", url_for(".show", id=id)
    return ask_first(title, means, verb=f"{verb} person", back_url=back_url)


def _say_what_waits(user: User, form: EditUserForm) -> None:
    """Say so where the address that was typed does not count yet."""
    if user.pending_email and form.email.address == user.pending_email:
        asked, present = readable_email(user.pending_email), readable_email(user.email)
        flash(f"{asked} takes effect once its link is opened. Until then, {present} is used to sign in.", "success")


def _warn_if_nobody_administers(organization: Organization | None) -> None:
    """Say so when an edit took an organization's last active administrator away."""
    if organization is not None and not db.session.scalar(queries.admins_of(organization.id)):
        flash(f"{organization.name} has no active administrator now: nobody there can manage its people.", "error")


def _offer(conflict: Conflict) -> dict[str, Any] | None:
    """A deleted person who had the address: restoring them may be what was meant."""
    gone = conflict.deleted_id
    return {"text": conflict.message, "url": url_for(".restore", id=gone)} if gone else None
