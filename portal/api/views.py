"""The API's routes. They ignore cookies, so that pages of other sites can't use them."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, jsonify
from flask_login import current_user

from portal.api import access, commands, limits
from portal.api.bodies import fields
from portal.api.description import document
from portal.api.repeats import once
from portal.auth.commands import Awaited
from portal.auth.lifetimes import lifetime
from portal.core.actor import current_actor
from portal.core.email_addresses import lookup_email
from portal.core.policy import allows
from portal.tokens.rotation import Opened, Refusal
from portal.web import attempts
from portal.web.given import current_settings, permissions
from portal.web.guards import public, signed_in
from portal.web.problems import problem
from portal.web.urls import here

bp = Blueprint("api", __name__, url_prefix="/api/v1")
MISMATCH = "Email and password don't match."  # noqa: S105
CODE_NEEDED = "Two-factor authentication is required. Send a code as `otp`."
WRONG_CODE = "This two-factor code is wrong or was already used."
REFUSED = "This refresh token is invalid. Sign in again."
JUST_USED = "This refresh token was just used. Use the response to that request."


@bp.post("/auth/login", provide_automatic_options=False)
@public
def login() -> Response:
    """Issue tokens for an email address and password, without revealing whether the address is known."""
    sent = fields(limits.LOGIN, limits.OPTIONAL)
    email, settings = lookup_email(sent["email"]), current_settings()

    def work() -> Response:
        opened = commands.log_in(
            email,
            sent["password"],
            sent.get("otp", ""),
            lifetime=lifetime(is_kept=True),
            demo=not settings.production,
            counters=attempts.at_sign_in(email),
        )
        if isinstance(opened, Awaited):
            if "otp" in sent:
                return problem(401, WRONG_CODE, code="two_factor_invalid")
            return problem(401, CODE_NEEDED, code="two_factor_required")
        return _tokens(opened) if opened else problem(401, MISMATCH, code="invalid_credentials")

    # The password is part of the caller: a stored response must not reveal, uncounted, whether a password is correct.
    return once(f"{email}\n{sent['password']}", work)


@bp.post("/auth/refresh", provide_automatic_options=False)
@public
def refresh() -> Response:
    """Exchange a refresh token for new tokens."""
    token = fields(limits.TOKEN)["refresh_token"]
    grace = timedelta(seconds=current_settings().refresh_grace)

    def work() -> Response:
        outcome = commands.refresh(token, grace=grace, counter=attempts.at_refresh())
        if isinstance(outcome, Opened):
            return _tokens(outcome)
        if outcome is Refusal.JUST_USED:
            return problem(409, JUST_USED, code="just_used")
        return problem(400, REFUSED, code="invalid_grant")

    return once(str(commands.session_id(token)), work, is_valid=lambda: commands.was_just_spent(token))


@bp.post("/auth/logout", provide_automatic_options=False)
@public
def logout() -> Response:
    """End the session of a refresh token. The response is the same if there is none."""
    token = fields(limits.TOKEN)["refresh_token"]

    def work() -> Response:
        commands.log_out(token, counter=attempts.at_refresh())
        return Response(status=204)

    return once(str(commands.session_id(token)), work)


@bp.get("/auth/me", provide_automatic_options=False)
@signed_in()
def me() -> Response:
    """The person, the permissions of their role, and the scopes of an API token."""
    scopes = current_user.scopes
    organization = current_user.organization_id
    return jsonify(
        id=str(current_user.id),
        email=current_user.email,
        name=current_user.name,
        role=current_user.role.name,
        organization={"id": str(organization), "name": current_user.organization_name} if organization else None,
        permissions=[name for name, one in permissions().items() if allows(current_actor(), one)],
        scopes=None if scopes is None else sorted(scopes),
    )


@bp.get("/openapi.json", provide_automatic_options=False)
@public
def openapi() -> Response:
    """The OpenAPI document."""
    return jsonify(document(here().removesuffix("/openapi.json"), list(permissions())))


def _tokens(opened: Opened) -> Response:
    token, seconds = access.issued(opened.session)
    return jsonify(access_token=token, token_type="Bearer", expires_in=seconds, refresh_token=opened.token)  # noqa: S106
