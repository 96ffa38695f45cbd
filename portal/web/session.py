"""Authenticate requests: load the session and its person, and bind the person as the actor."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from contextvars import Token
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple, TypeVar

from flask import Flask, current_app, flash, g, request
from flask import session as cookie
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFError

from portal.core.actor import (
    SYSTEM,
    Actor,
    Origin,
    Role,
    bind,
    bind_origin,
    bind_read_only,
    unbind,
    unbind_origin,
    unbind_read_only,
)
from portal.core.clock import bind_zone, unbind_zone
from portal.core.db import acting_as
from portal.web import drafts, zones
from portal.web.given import Given
from portal.web.problems import is_api

LONGEST_AGENT = 200
BEARER = re.compile(r"(?i:Bearer) +([A-Za-z0-9._~+/=-]{1,2000})")
CSRF = "csrf_token"
UNBOUND = ("static", "health.live", "health.ready", "health.metrics")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
STOPPED_VIEWING = (
    "You’re viewing the portal as yourself again: the time limit was reached, or someone’s access changed."
)


class ListView(NamedTuple):
    """A saved view of a list that a person can open."""

    id: str
    list_name: str
    name: str
    query: str
    version: int
    may_change: bool


@dataclass(frozen=True)
class SignedIn(UserMixin):  # type: ignore[misc]
    """The person of the request's session, with current values from the database; not an entity."""

    actor: Actor
    token: str
    name: str
    first_name: str
    time_zone: str | None
    email: str
    organization_name: str | None
    must_change_password: bool
    has_two_factor: bool
    needs_two_factor: bool  # because of their organization
    has_news: bool  # a job of theirs is running, or ended without their knowledge
    lists: Mapping[str, Any]  # how they arrange each list (resources/arranging.py)
    views: tuple[ListView, ...]  # the saved views that they can open
    session_id: uuid.UUID
    is_kept: bool  # in the browser after it is closed
    authenticated_at: datetime  # when they last entered their password
    scopes: frozenset[str] | None = None  # of an API token; None if they are not limited
    viewer: SignedIn | None = None  # whose session it is, while somebody else views the portal as this person
    viewing_until: datetime | None = None
    is_viewing: bool = False  # of the viewer: they are viewing the portal as somebody else
    has_stopped_viewing: bool = False  # with this request, because of the time limit or changed access

    @property
    def id(self) -> uuid.UUID | None:
        return self.actor.id

    @property
    def role(self) -> Role | None:
        return self.actor.role

    @property
    def organization_id(self) -> uuid.UUID | None:
        return self.actor.organization_id

    def get_id(self) -> str:
        return self.token


LookUp = Callable[[str], SignedIn | None]
View = TypeVar("View", bound=Callable[..., Any])

_manager = LoginManager()
_manager._load_user_from_remember_cookie = lambda cookie: None  # the portal sets no such cookie
_manager.session_protection = None  # sessions are rows; nothing is derived from addresses or user agents
by_cookie: Given[LookUp] = Given("people by cookie")  # looks up a session's person
by_bearer: Given[LookUp] = Given("people by bearer token")  # looks up an API client's person


def init_app(app: Flask) -> None:
    _manager.init_app(app)
    app.before_request(bind_actor)
    app.teardown_request(release_actor)


@_manager.user_loader  # type: ignore[untyped-decorator]
def load(token: str) -> SignedIn | None:
    """The session's person, read as SYSTEM in a short transaction of its own."""
    if g.get("without_database", False):
        return None
    person = _looked_up(by_cookie, token)
    if person is None or person.viewer is None:
        return person
    view = current_app.view_functions.get(request.endpoint or "")
    return person.viewer if getattr(view, "as_viewer", False) else person


def as_viewer(view: View) -> View:
    """Mark a view that runs as the viewer, not as the viewed person, such as the one that stops viewing."""
    view.as_viewer = True  # type: ignore[attr-defined]
    return view


def _looked_up(look_up: Given[LookUp], token: str) -> SignedIn | None:
    with acting_as(SYSTEM):
        return look_up()(token)


def _bearer() -> SignedIn | None:
    """The person whose token the Authorization header contains."""
    found = BEARER.fullmatch(request.headers.get("Authorization", ""))
    return _looked_up(by_bearer, found.group(1)) if found else None


def do_without_database() -> None:
    """Treat the request as anonymous, because the session can't be loaded."""
    g.without_database = True


def bind_actor() -> None:
    """Bind the signed-in person's Actor and time zone for the rest of the request."""
    if request.endpoint in UNBOUND:
        return
    agent = "".join(sign for sign in request.user_agent.string[:LONGEST_AGENT] if sign.isprintable())
    g.origin_token = bind_origin(Origin(g.get("request_id", ""), request.remote_addr or "", agent))
    if is_api():
        _manager._update_request_context_with_user(_bearer())
    person = current_user._get_current_object()  # looked up once: each access asks Flask for the request
    chosen = person.time_zone if person.is_authenticated else None
    g.zone_token = bind_zone(zones.zone_named(chosen or zones.of_browser()))
    if person.is_authenticated:
        g.actor = person.actor
        g.actor_token = bind(person.actor)
        if not is_api():
            _own_forms(person)


def _own_forms(person: SignedIn) -> None:
    """Renew the CSRF secret when viewing as another person starts or stops, so that forms opened before are refused.

    The secret contains the id of the person for whom the pages were rendered.
    """
    if person.viewer is not None:
        g.read_only_token = bind_read_only()
    if person.has_stopped_viewing:
        flash(STOPPED_VIEWING)
    secret = cookie.get(CSRF)
    if secret is None or person.is_viewing or secret.endswith(f".{person.actor.id.hex if person.actor.id else ''}"):
        return
    cookie[CSRF] = drafts.secret_for(person.id)
    if request.method not in SAFE_METHODS and person.viewer is None:
        raise CSRFError


def release_actor(_error: BaseException | None) -> None:
    read_only: Token[bool] | None = g.pop("read_only_token", None)
    if read_only is not None:
        unbind_read_only(read_only)
    token: Token[Actor | None] | None = g.pop("actor_token", None)
    if token is not None:
        unbind(token)
    zone: Token[tzinfo] | None = g.pop("zone_token", None)
    if zone is not None:
        unbind_zone(zone)
    origin: Token[Origin] | None = g.pop("origin_token", None)
    if origin is not None:
        unbind_origin(origin)


def begin(person: SignedIn) -> None:
    """Start a session in a new cookie. It keeps only the CSRF secret of the former cookie, for the same person's open
    forms in other tabs."""
    former = cookie.get(CSRF)
    cookie.clear()
    login_user(person)
    cookie[CSRF] = former if former and drafts.owner_of(former) == person.id else drafts.secret_for(person.id)
    cookie.permanent = person.is_kept


def end() -> None:
    """Remove the session from the browser."""
    logout_user()
    cookie.clear()
    drafts.forget()


def has_ended() -> bool:
    """Whether the browser sent a session that has ended. True only once, because the cookie is then removed."""
    return not current_user.is_authenticated and cookie.pop("_user_id", None) is not None
