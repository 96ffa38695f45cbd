"""Whose sign-in is this, and who may begin one?"""

from __future__ import annotations

import uuid

from sqlalchemy import ColumnExpressionArgument, Select, func, or_, select

from portal.core.listing import Rows
from portal.organizations.models import Organization
from portal.tokens.models import SignIn, digest
from portal.tokens.queries import is_live
from portal.users.models import User


def by_token(token: str) -> Rows:
    """The person behind a living sign-in, if they may still sign in: one indexed statement a request."""
    person = select(
        User.id,
        User.role,
        User.organization_id,
        User.first_name,
        User.last_name,
        User.email,
        User.must_change_password,
        User.time_zone,
        Organization.name.label("organization_name"),
        SignIn.id.label("sign_in_id"),
        SignIn.is_kept,
        SignIn.proved_at,
        SignIn.used_at,
    )
    joined = person.join(SignIn, SignIn.user_id == User.id)
    return _with_organization(joined).where(SignIn.token == digest(token), is_live(), *_may_sign_in())


def by_email(email: str) -> Rows:
    """What is needed to check a password."""
    found = select(User.id, User.role, User.organization_id, User.password)
    return _with_organization(found).where(func.lower(User.email) == email, *_may_sign_in())


def with_password(user_id: uuid.UUID, stored: str) -> Select[uuid.UUID]:
    """The person, if this is still the stored hash."""
    return select(User.id).where(User.id == user_id, User.password == stored)


def _with_organization(statement: Rows) -> Rows:
    return statement.outerjoin(Organization, Organization.id == User.organization_id)


def _may_sign_in() -> tuple[ColumnExpressionArgument[bool], ...]:
    """Active, and of a living organization or of none. The deleted are left out by the session."""
    return User.is_active, or_(User.organization_id.is_(None), Organization.id.is_not(None))
