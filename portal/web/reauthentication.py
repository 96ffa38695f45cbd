"""Ask for the password again before a sensitive change, unless the person entered it a short while ago.

A form for sensitive changes extends `ReauthenticationForm`, renders `reauthentication_field(form)` of
`components/reauthentication.html`, and its view checks:

    if form.validate_on_submit() and (not form.is_sensitive() or reauthentication.confirmed(form)):

The view of a single button is decorated below its rule; the same request is then sent again with the password:

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
PasswordCheck = Callable[[SignedIn, str, Counter], bool]

LONGEST = 4096
FIELD = "own_password"
NOT_RESENT = (FIELD, "csrf_token")

reauthenticate: Given[PasswordCheck] = Given("password check")  # checks the password and updates the session


class ReauthenticationForm(Form):
    """A form that may ask for the person's own password."""

    own_password = PasswordField("Your password", validators=[Length(max=LONGEST)])
    asks_for_password = False

    def ask_for_password(self) -> None:
        """Show the password field from now on."""
        self.asks_for_password = self.own_password.flags.required = True


def is_needed() -> bool:
    """Whether the signed-in person has to enter the password again."""
    settings = current_settings()
    is_recent: bool = now() - current_user.authenticated_at < timedelta(minutes=settings.reauthentication_minutes)
    return not is_recent and not g.get("is_reauthenticated", False)


def confirmed(form: ReauthenticationForm) -> bool:
    """Whether the person authenticated recently, or does so with this form. If not, show the password field."""
    if not is_needed():
        return True
    form.ask_for_password()
    try:
        if is_own_password(form.own_password.data or ""):
            return True
        form.own_password.errors = [
            "Wrong password. Try again." if form.own_password.data else "Enter your password to continue."
        ]
    except RateLimited as rate_limited:
        attempts.refuse(form, rate_limited)
    return False


def is_own_password(password: str) -> bool:
    """Check the signed-in person's password. Raises RateLimited after too many attempts."""
    if not password:
        return False
    g.is_reauthenticated = reauthenticate()(current_user, password, attempts.of_own_password(current_user.id))
    return bool(g.is_reauthenticated)


def required(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Require recent authentication for a POST. Otherwise ask for the password, and send the same request again."""

    @wraps(view)
    def ask_first(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        return (request.method == "POST" and ask()) or view(*args, **kwargs)

    return ask_first


def ask() -> Response | None:
    """Ask for the password, on a page or in a dialog for htmx; None if it isn't needed."""
    form = ReauthenticationForm()
    if not is_needed() or (FIELD in request.form and form.validate() and confirmed(form)):
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
