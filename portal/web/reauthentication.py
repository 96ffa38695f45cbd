"""Did the person who is signed in say lately who they are? Sensitive changes ask again.

A form that may be sensitive takes `ReauthenticationForm` as a base, shows `components/reauthentication.html: reauthentication_field(form)`, and asks:

    if form.validate_on_submit() and (not form.is_sensitive() or reauthentication.confirmed(form)):

An act of one button states it below its rule; the same request is sent again with the password in it:

    @bp.post("/<uuid:id>/unlock")
    @requires(Permission.USERS_WRITE)
    @reauthentication.required
    def unlock(id: uuid.UUID) -> ResponseReturnValue:
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec

from flask import Response, g, request
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import PasswordField
from wtforms.validators import Length

from portal.core.clock import now
from portal.core.errors import RateLimited
from portal.core.rate_limit import Counter
from portal.web import attempts
from portal.web.forms import Form
from portal.web.given import Given, current_settings
from portal.web.rendering import render, wants_fragment
from portal.web.session import SignedIn
from portal.web.urls import here

P = ParamSpec("P")
Prover = Callable[[SignedIn, str, Counter], bool]

LONGEST = 4096
FIELD = "proof"
NOT_RESENT = (FIELD, "csrf_token")

prove: Given[Prover] = Given("prover")  # how a password is checked, and noted that its owner is there


class ReauthenticationForm(Form):
    """The own password, for a form that may ask for it."""

    proof = PasswordField("Your password", validators=[Length(max=LONGEST)])
    is_password_asked = False

    def ask_for_password(self) -> None:
        """Show the field from now on."""
        self.is_password_asked = self.proof.flags.required = True


def is_needed() -> bool:
    """Whether too much time went by since the person said who they are. Asked of nobody else."""
    settings = current_settings()
    said_lately: bool = now() - current_user.authenticated_at < timedelta(minutes=settings.reauthentication_minutes)
    return not said_lately and not g.get("is_reauthenticated", False)


def given(form: ReauthenticationForm) -> bool:
    """Whether this person may go on: they said lately who they are, or say so with this form. Else the form asks."""
    if not is_needed():
        return True
    form.ask_for_password()
    try:
        if _is_right(form.proof.data or ""):
            return True
        form.proof.errors = ["This is not your password." if form.proof.data else "Write your password to go on."]
    except RateLimited as rate_limited:
        attempts.refuse(form, rate_limited)
    return False


def _is_right(password: str) -> bool:
    """The one place where a proof is looked at: whoever has no password will prove it in another way here."""
    if not password:
        return False
    g.is_reauthenticated = prove()(current_user, password, attempts.of_own_password(current_user.id))
    return bool(g.is_reauthenticated)


def proven(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let a POST through only from somebody who said lately who they are; else ask, and send the same again."""

    @wraps(view)
    def ask_first(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        return (request.method == "POST" and ask()) or view(*args, **kwargs)

    return ask_first


def ask() -> Response | None:
    """The question, if there is one, in place of this POST: a page, or a dialog where htmx asked."""
    form = ReauthenticationForm()
    if not is_needed() or (FIELD in request.form and form.validate() and given(form)):
        return None
    form.ask_for_password()
    response = render(
        "auth/reauthentication.html",
        fragment="auth/_reauthentication.html",
        form=form,
        action=here(with_query=True),
        fields=[(name, value) for name, value in request.form.items(multi=True) if name not in NOT_RESENT],
        status=422 if form.errors else 200,
    )
    if wants_fragment():
        response.headers |= {"HX-Retarget": "#dialog-slot", "HX-Reswap": "innerHTML"}
    return response
