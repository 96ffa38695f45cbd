"""Look up sessions and the people who can sign in."""

from __future__ import annotations

import uuid
from functools import cache

from sqlalchemy import ColumnExpressionArgument, Select, bindparam, exists, func, literal, or_, select

from portal.core.history import Activity
from portal.core.listing import Rows
from portal.core.scoping import active
from portal.jobs.queries import unannounced_to
from portal.mfa.queries import has_two_factor
from portal.organizations.models import Organization
from portal.resources.models import ListArrangement
from portal.saved_views.queries import opened_by_user
from portal.tokens.models import ApiToken, Session
from portal.tokens.queries import is_live, is_usable
from portal.users.models import User, is_not_expired

PERSON = (
    User.id,
    User.role,
    User.organization_id,
    User.first_name,
    User.last_name,
    User.email,
    User.must_change_password,
    User.time_zone,
    User.has_two_factor,
    exists().where(unannounced_to(User.id)).label("has_news"),
    Organization.name.label("organization_name"),
    Organization.inviters,
    Organization.two_factor_for,
    ListArrangement.lists,
    opened_by_user().label("views"),
)
SIGN_IN = (Session.id.label("session_id"), Session.is_kept, Session.authenticated_at, Session.used_at)
VIEWING = (Session.viewed_id, Session.viewing_access)


@cache
def by_token() -> Rows:
    """The person of the active session with the digest `token`, if they can still sign in: once per request."""
    return _behind_session(Session.token == bindparam("token")).add_columns(*VIEWING)


@cache
def by_viewing() -> Rows:
    """The person that the session `session_id` views the portal as, if they can still sign in."""
    joined = select(*PERSON, *SIGN_IN, Session.viewing_until).join(Session, Session.viewed_id == User.id)
    lasts = Session.id == bindparam("session_id"), Session.viewing_until > func.clock_timestamp()
    return active(_with_context(joined).where(*lasts, *_may_sign_in()))


@cache
def by_session() -> Rows:
    """The same for the session `session_id` of the API client `user_id`."""
    own = Session.id == bindparam("session_id"), Session.user_id == bindparam("user_id")
    return _behind_session(*own, Session.token.is_(None))


@cache
def by_api_token() -> Rows:
    """The same for the API token with the digest `token`."""
    about = (
        ApiToken.id.label("session_id"),
        literal(value=True).label("is_kept"),
        ApiToken.created_at.label("authenticated_at"),
        ApiToken.used_at,
        ApiToken.scopes,
    )
    joined = select(*PERSON, *about).join(ApiToken, ApiToken.user_id == User.id)
    own = ApiToken.token == bindparam("token")
    return active(_with_context(joined).where(own, is_usable(), *_may_sign_in()))


def _behind_session(*conditions: ColumnExpressionArgument[bool]) -> Rows:
    joined = select(*PERSON, *SIGN_IN).join(Session, Session.user_id == User.id)
    return active(_with_context(joined).where(*conditions, is_live(), *_may_sign_in()))


def by_email(email: str) -> Rows:
    """The columns needed to check a password, for a person who can sign in."""
    return _at_the_door().where(func.lower(User.email) == email)


def anybody(email: str) -> Rows:
    """The person with this address, even if they can't sign in. Use it only to send email, never to sign in."""
    return select(User.id, User.role, User.organization_id).where(func.lower(User.email) == email)


def viewable(user_id: uuid.UUID) -> Rows:
    """A person who can sign in, to view the portal as them."""
    return _with_organization(select(User.id, User.role, User.organization_id)).where(
        User.id == user_id, *_may_sign_in()
    )


def by_id(user_id: uuid.UUID) -> Rows:
    """The same by id."""
    return _at_the_door().where(User.id == user_id)


def _at_the_door() -> Rows:
    has_one = has_two_factor(User.id).label("has_two_factor")
    own = User.id, User.role, User.organization_id, User.email, User.password
    found = select(*own, Organization.inviters, has_one)
    return _with_organization(found).where(*_may_sign_in())


def with_password(user_id: uuid.UUID, stored: str) -> Select[uuid.UUID]:
    """The person, if their password hash is still this one."""
    return select(User.id).where(User.id == user_id, User.password == stored)


def _with_context(statement: Rows) -> Rows:
    """With the organization, and how the person arranges lists."""
    return _with_organization(statement).outerjoin(ListArrangement, ListArrangement.user_id == User.id)


def _with_organization(statement: Rows) -> Rows:
    return statement.outerjoin(Organization, Organization.id == User.organization_id)


def _may_sign_in() -> tuple[ColumnExpressionArgument[bool], ...]:
    """Active people of an active organization or none whose account hasn't expired. Scoping excludes deleted people."""
    return User.is_active, is_not_expired(), or_(User.organization_id.is_(None), Organization.id.is_not(None))


def newest_event(user_id: uuid.UUID, *conditions: ColumnExpressionArgument[bool]) -> Select[Activity]:
    """The newest event about a person that meets the conditions."""
    about = Activity.table_name == "users", Activity.row_id == user_id
    return select(Activity).where(*about, *conditions).order_by(Activity.at.desc(), Activity.id.desc()).limit(1)


def tokens_ended_by(event: Activity) -> Select[int]:
    """How many API tokens a change to a person ended: all of theirs, later in the same transaction."""
    there = ApiToken.user_id == event.row_id, ApiToken.created_at < event.at, ApiToken.expires_at > event.at
    return select(func.count(ApiToken.id)).where(*there, ApiToken.revoked_at >= event.at)
