"""Pages behind emailed links: accept an invitation, choose a new password, confirm an address."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from flask import Blueprint, Response, flash, request, url_for
from flask import session as cookie
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy import Row

from portal.auth import redeeming
from portal.auth.forms import LinkedPasswordForm, LinkForm
from portal.auth.lifetimes import lifetime
from portal.auth.views import begun
from portal.core.email_addresses import readable_email
from portal.core.errors import Conflict
from portal.users import links
from portal.users.links import DeadLink
from portal.users.models import full_name
from portal.users.rules import rule_for
from portal.web.forms import Form
from portal.web.guards import public
from portal.web.rendering import redirect, render

bp = Blueprint("links", __name__)
F = TypeVar("F", bound=LinkForm)
LINK, LONGEST_LINK = "link", 400  # kept in the cookie, because URLs end up in logs and Referer headers
LINK_CHARACTERS = re.compile(r"[\w.-]*", re.ASCII)  # the alphabet of links; none ends in a dot


@bp.get("/invitations/<token>")
@public
def invitation(token: str) -> ResponseReturnValue:
    return _followed(token, "accept")


@bp.get("/password/reset/<token>")
@public
def reset_link(token: str) -> ResponseReturnValue:
    return _followed(token, "reset")


@bp.get("/verify/<token>")
@public
def verification(token: str) -> ResponseReturnValue:
    return _followed(token, "verify")


def _followed(token: str, there: str) -> Response:
    """Move the link's secret out of the URL, then show a form, because email scanners open links too.

    Email programs also treat a `.`, `)` or `>` after a link as part of it.
    """
    found = LINK_CHARACTERS.match(token)
    link = found.group().rstrip(".") if found else ""
    cookie[LINK] = link if len(link) <= LONGEST_LINK else ""
    return redirect(url_for(f".{there}"))


@bp.route("/invitations/", methods=["GET", "POST"])
@public
def accept() -> ResponseReturnValue:
    """Accept an invitation by choosing a password."""
    found, form = _choosing(links.INVITATIONS)
    if form.validate_on_submit():
        person = redeeming.accept(_link(), form.password.data or "", lifetime=lifetime(is_kept=False))
        if person is None:
            raise DeadLink
        return begun(person, None)
    return _shown("auth/accept.html", form, found)


@bp.route("/password/reset", methods=["GET", "POST"])
@public
def reset() -> ResponseReturnValue:
    """Choose a new password through a link. Signing in is a separate step, including two-factor authentication."""
    found, form = _choosing((links.RESET,))
    if form.validate_on_submit():
        redeeming.reset(_link(), form.password.data or "")
        cookie.pop(LINK, None)
        if current_user.is_authenticated and current_user.id != found.id:
            flash(f"The new password of {readable_email(found.email)} is set. Sign out to sign in with it.", "success")
            return redirect(url_for("account.index"))
        flash("Your new password is set. Sign in with it.", "success")
        return redirect(url_for("auth.login"))
    return _shown("auth/reset.html", form, found, api_tokens=redeeming.api_tokens_of(found.id))


@bp.route("/verify", methods=["GET", "POST"])
@public
def verify() -> ResponseReturnValue:
    """Confirm an email address."""
    form = _of_this_link(LinkForm())
    if form.validate_on_submit():
        try:
            email = redeeming.confirm_address(_link())
        except Conflict as conflict:
            form.add_conflict(conflict)
        else:
            cookie.pop(LINK, None)
            flash(f"{readable_email(email)} is confirmed.", "success")
            return redirect(url_for("account.email" if current_user.is_authenticated else "auth.login"))
    return _shown("auth/verify.html", form, redeeming.opened(_link(), (links.VERIFICATION,)))


def _choosing(purposes: Sequence[str]) -> tuple[Row[Any], LinkedPasswordForm]:
    """The person the link belongs to, and the form to choose a password."""
    found = redeeming.opened(_link(), purposes)
    return found, _of_this_link(LinkedPasswordForm(rule=rule_for(found.id)))


def _of_this_link(form: F) -> F:
    """Raise DeadLink if the form belongs to another link, opened in another tab."""
    own = hashlib.sha256(_link().encode()).hexdigest()
    if request.method == "POST" and form.link.data != own:
        raise DeadLink
    form.link.data = own
    return form


def _shown(template: str, form: Form, found: Row[Any], **context: Any) -> Response:
    name = full_name(found.first_name, found.last_name, found.email)
    return render(template, form=form, found=found, name=name, status=422 if form.errors else 200, **context)


def _link() -> str:
    return str(cookie.get(LINK, ""))


@bp.app_errorhandler(DeadLink)
def dead(_error: DeadLink) -> Response:
    """One page for links that are used, expired, altered or forged."""
    return render("auth/dead_link.html", status=410)
