"""What mailed links open: an invitation, a new password, the confirmation of an address."""

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
from portal.core.emails import readable_email
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
LINK, LONGEST_LINK = "link", 400  # in the cookie: from the address it would get into logs and Referer
LINK_LETTERS = re.compile(r"[\w.-]*", re.ASCII)  # of which links are made; none ends in a dot


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
    """Move a link's secret out of the address, and ask by a form: programs that look at letters open links too.

    Programs also take the `.`, `)` or `>` that follows a link in a text for a part of it.
    """
    found = LINK_LETTERS.match(token)
    link = found.group().rstrip(".") if found else ""
    cookie[LINK] = link if len(link) <= LONGEST_LINK else ""
    return redirect(url_for(f".{there}"))


@bp.route("/invitations/", methods=["GET", "POST"])
@public
def accept() -> ResponseReturnValue:
    """Accept an invitation with a password of one's own."""
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
    """Choose a new password by a link. Signing in comes after, with whatever else it asks for."""
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
    """Confirm an e-mail address."""
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
    """Whose link it is, and the form in which they choose a password."""
    found = redeeming.opened(_link(), purposes)
    return found, _of_this_link(LinkedPasswordForm(rule=rule_for(found.id)))


def _of_this_link(form: F) -> F:
    """DeadLink for a form that another link opened, in another tab."""
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
    """Used, outlived, changed or made up: all the same."""
    return render("auth/dead_link.html", status=410)
