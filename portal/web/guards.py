"""Enforce the access rule of every route. The portal doesn't start if a route has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask, Response, current_app, flash, g, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from werkzeug.routing import RequestRedirect

from portal.core.actor import current_actor
from portal.core.errors import NotAllowed, ReadOnly
from portal.core.policy import Permission, allows
from portal.web import drafts
from portal.web.given import current_settings
from portal.web.problems import ROOT, is_api, problem
from portal.web.rendering import redirect
from portal.web.session import CSRF, SAFE_METHODS, SignedIn, has_ended
from portal.web.urls import here, home, safe_next

View = TypeVar("View", bound=Callable[..., Any])
PUBLIC = "public"
SIGNED_IN = "signed in"
PROFILE = "profile"  # the scope of routes that every signed-in person may use
OWN_PASSWORD_FIRST = "Your password is temporary. Sign in with a browser and choose your own password first."  # noqa: S105

TWO_FACTOR_FIRST = "Two-factor authentication is required for your account. Sign in with a browser and set it up first."
NOTHING_CHANGES = "You can’t change or download anything while viewing as another person. Stop viewing first."
NOT_SHOWN = "This page shows how the person signs in, so only they can open it."
KEPT = "You were signed out, so nothing was saved. Sign in to continue with your entries."
UNKEPT = "You were signed out, so nothing was changed. Sign in, then try again."


@dataclass(frozen=True)
class Step:
    """A required page, and the attribute of views that can be used before it is completed."""

    endpoint: str
    exempt_attribute: str


NEW_PASSWORD = Step("account.password", "with_temporary_password")
TWO_FACTOR = Step("mfa.index", "without_two_factor")


def public(view: View) -> View:
    """Allow everybody."""
    view.rule = PUBLIC  # type: ignore[attr-defined]
    return view


def signed_in(
    *, with_temporary_password: bool = False, without_two_factor: bool = False, is_viewable: bool = False
) -> Callable[[View], View]:
    """Allow every signed-in person, for their own account. The flags allow it before a required step is completed, and
    for somebody who views the portal as this person."""

    def mark(view: View) -> View:
        view.rule = SIGNED_IN  # type: ignore[attr-defined]
        view.with_temporary_password = with_temporary_password  # type: ignore[attr-defined]
        view.without_two_factor = without_two_factor  # type: ignore[attr-defined]
        view.is_viewable = is_viewable  # type: ignore[attr-defined]
        return view

    return mark


def requires(permission: Permission) -> Callable[[View], View]:
    """Allow the roles that have the permission."""

    def mark(view: View) -> View:
        view.rule = permission  # type: ignore[attr-defined]
        return view

    return mark


def init_app(app: Flask) -> None:
    app.before_request(enforce)


def rule_of(view: Callable[..., Any]) -> str | Permission:
    """The rule of a view; LookupError if it has none."""
    rule: str | Permission | None = getattr(view, "rule", None)
    if rule is None:
        raise LookupError(f"the view {view} states no rule: @requires, @signed_in or @public")
    return rule


def scope_of(rule: str | Permission) -> str:
    """The scope that an API token needs for a route with this rule."""
    return rule.name if isinstance(rule, Permission) else PROFILE


def scopes_in_use(app: Flask) -> frozenset[str]:
    """All scopes that API routes require."""
    views = (app.view_functions[one.endpoint] for one in app.url_map.iter_rules() if one.rule.startswith(ROOT))
    return frozenset(scope_of(rule) for rule in map(rule_of, views) if rule != PUBLIC)


def check_routes(app: Flask) -> None:
    """Refuse to start if a route has no rule."""
    for view in app.view_functions.values():
        rule_of(view)


def must_have_two_factor(person: SignedIn) -> bool:
    """Whether the installation or the person's organization requires two-factor authentication of their role."""
    settings = current_settings()
    return person.needs_two_factor or (person.role is not None and person.role.name in settings.two_factor_roles)


def required_step(person: SignedIn) -> Step | None:
    """The step that a signed-in person has to complete before anything else, or None."""
    if person.must_change_password:
        return NEW_PASSWORD
    return None if person.has_two_factor or not must_have_two_factor(person) else TWO_FACTOR


def enforce() -> ResponseReturnValue | None:
    """Redirect to the sign-in page without a session. Respond 403 if the role lacks the permission."""
    if request.endpoint is None:  # no such URL: 404 for everybody
        is_other_spelling = isinstance(request.routing_exception, RequestRedirect)
        return problem(404) if is_other_spelling and is_api() else None
    view = current_app.view_functions[request.endpoint]
    rule = rule_of(view)
    if g.get("read_only_token"):
        _check_viewing(view, rule)
    if rule == PUBLIC:
        return None
    if is_api():
        return _enforce_for_programs(rule)
    person = current_user._get_current_object()
    if not person.is_authenticated:
        return _to_sign_in()
    first = None if person.viewer else required_step(person)
    if first and not getattr(view, first.exempt_attribute, False):
        return redirect(url_for(first.endpoint))
    if isinstance(rule, Permission) and not allows(current_actor(), rule):
        if drafts.discard_foreign():
            return redirect(home())
        raise NotAllowed
    return None


def _check_viewing(view: Callable[..., Any], rule: str | Permission) -> None:
    """Raise ReadOnly for what nobody may do or see while viewing the portal as another person."""
    if request.method not in SAFE_METHODS:
        raise ReadOnly(NOTHING_CHANGES)
    if rule == SIGNED_IN and not getattr(view, "is_viewable", False):
        raise ReadOnly(NOT_SHOWN)


def _to_sign_in() -> Response:
    """Redirect to the sign-in page, and back afterwards. A sent form is kept for the person who opened it."""
    there = here(with_query=True)
    if request.method != "GET":
        has_ended()  # so that the sign-in page doesn't repeat it
        owner = drafts.owner_of(drafts.secret_in(request.form.get(CSRF)))
        flash(KEPT if owner and drafts.keep(owner) else UNKEPT)
        there = there if drafts.is_page() else _page_before()
    return redirect(url_for("auth.login", next=there if there != home() else None))


def _page_before() -> str:
    """The URL of the page with the button."""
    before = request.headers.get("Referer", "")
    return safe_next(f"/{before.removeprefix(request.host_url)}" if before.startswith(request.host_url) else "")


def _enforce_for_programs(rule: str | Permission) -> ResponseReturnValue | None:
    """Respond 401 instead of redirecting, and check the token's scopes in addition to the role."""
    person = current_user._get_current_object()
    if not person.is_authenticated:
        return problem(401)
    if first := required_step(person):
        return problem(403, OWN_PASSWORD_FIRST if first is NEW_PASSWORD else TWO_FACTOR_FIRST)
    scope = scope_of(rule)
    if person.scopes is not None and scope not in person.scopes:
        return problem(403, f"This token doesn't have the scope {scope}.", code="insufficient_scope")
    if isinstance(rule, Permission) and not allows(current_actor(), rule):
        raise NotAllowed
    return None
