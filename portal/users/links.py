"""Links in emails that work once, for one person, for a limited time.

A link is a signature (itsdangerous) of the person, the purpose, the time, and a digest of values that must not change:
password, email, pending email, role, organization, and a counter that each use increases. The database stores nothing
that could be used as a link, and a link stops working once one of these values changes.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import ColumnElement, Row, and_, not_, or_, select

from portal.core.clock import now
from portal.core.db import db, locked
from portal.core.errors import Conflict, Missing
from portal.core.listing import Rows
from portal.organizations.models import Organization
from portal.users.models import INVITATION_HOLDS, User, invitation_of, is_not_expired
from portal.users.queries import by_id
from portal.web.given import current_settings, served_at

INVITATION, HANDED, RESET, VERIFICATION = "invitation", "handed", "reset", "verification"
INVITATIONS = (INVITATION, HANDED)  # by email, which confirms the address, or handed over by an administrator
HOLDS = {
    INVITATION: INVITATION_HOLDS,
    HANDED: INVITATION_HOLDS,
    RESET: timedelta(minutes=15),
    VERIFICATION: timedelta(hours=24),
}
ENDPOINTS = {
    INVITATION: "links.invitation",
    HANDED: "links.invitation",
    RESET: "links.reset_link",
    VERIFICATION: "links.verification",
}
COLUMNS = (
    User.id,
    User.role,
    User.organization_id,
    User.first_name,
    User.last_name,
    User.email,
    User.email_verified,
    User.pending_email,
    User.password,
    User.link_counter,
    User.invited_at,
    User.accepted_at,
    User.revoked_at,
    User.time_zone,
)
NO_ADDRESS = "PORTAL_URL is not set, so no link can be created. Ask the portal's operator to set it."


class DeadLink(Exception):
    """The link is used, expired, altered or forged. The error doesn't reveal which."""


def person(user_id: uuid.UUID) -> Row[Any] | None:
    """A person who can use a link: active, in an active organization or none. Call it as the system."""
    return db.session.execute(_with_organization(user_id).where(_may_sign_in())).first()


def locked_out(user_id: uuid.UUID) -> Row[Any] | None:
    """A person who is deactivated or expired, or whose organization is deleted. Call it as the system."""
    return db.session.execute(_with_organization(user_id).where(not_(_may_sign_in()))).first()


def _with_organization(user_id: uuid.UUID) -> Rows:
    columns: tuple[Any, ...] = (*COLUMNS, Organization.name.label("organization_name"))
    return select(*columns).where(User.id == user_id).outerjoin(Organization, Organization.id == User.organization_id)


def _may_sign_in() -> ColumnElement[bool]:
    return and_(User.is_active, is_not_expired(), or_(User.organization_id.is_(None), Organization.id.is_not(None)))


def address(found: Row[Any], purpose: str) -> str:
    """The URL of a new link. Raises Conflict in production if PORTAL_URL is not set."""
    return _built(found, purpose, urlsplit(_base()))


def path(found: Row[Any], purpose: str) -> str:
    """The path of a new link, for when the portal's URL is unknown."""
    return urlsplit(_built(found, purpose, urlsplit("http://localhost"))).path


def url_of(endpoint: str, **values: str) -> str:
    """The public URL of a page, for emails. Raises Conflict in production if PORTAL_URL is not set."""
    return _url(urlsplit(_base()), endpoint, values)


def _built(found: Row[Any], purpose: str, base: SplitResult) -> str:
    token = _signer().dumps([purpose, found.id.hex, _digest(found)])
    return _url(base, ENDPOINTS[purpose], {"token": token})


def _url(base: SplitResult, endpoint: str, values: Mapping[str, Any]) -> str:
    places = current_app.url_map.bind(base.netloc, base.path or "/", url_scheme=base.scheme)
    return places.build(endpoint, values, force_external=True)


def read(token: str, purposes: Collection[str]) -> tuple[str, Row[Any]]:
    """The purpose of a link and its person. Changes nothing. Raises DeadLink."""
    purpose, user_id, digest, made = _opened(token)
    if purpose not in purposes or now() - made > HOLDS[purpose]:
        raise DeadLink
    found = person(user_id)
    if found is None or digest != _digest(found):
        raise DeadLink
    if purpose in INVITATIONS and invitation_of(found) != "pending":
        raise DeadLink
    return purpose, found


def redeem(token: str, purposes: Collection[str]) -> tuple[str, User, Row[Any]]:
    """Use a link inside the running command. Only one of several concurrent uses succeeds. Raises DeadLink."""
    _, user_id, _, _ = _opened(token)
    try:
        user = locked(by_id(user_id))
    except Missing:
        raise DeadLink from None
    purpose, found = read(token, purposes)
    user.link_counter += 1
    return purpose, user, found


def _opened(token: str) -> tuple[str, uuid.UUID, str, datetime]:
    try:
        (purpose, user_id, digest), made = _signer().loads(token, return_timestamp=True)
    except (BadData, ValueError):
        raise DeadLink from None
    return purpose, uuid.UUID(user_id), digest, made


def _digest(found: Row[Any]) -> str:
    who = [found.email, found.pending_email, found.role.name, str(found.organization_id)]
    fixed = [found.link_counter, found.password, *who]
    return hashlib.sha256(json.dumps(fixed).encode()).hexdigest()[:32]


def _signer() -> URLSafeTimedSerializer:
    settings = current_settings()
    return URLSafeTimedSerializer([*settings.secret_key_fallbacks, settings.secret_key], salt="mailed link")


def _base() -> str:
    """The public URL; in the demo, the URL at which it is served."""
    settings = current_settings()
    if settings.public_url:
        return settings.public_url
    if settings.production:
        raise Conflict(None, NO_ADDRESS)
    return served_at()
