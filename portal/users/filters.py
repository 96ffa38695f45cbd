"""Filters for the list of people."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ColumnExpressionArgument, and_, func, literal_column, not_

from portal.core.actor import Role, current_actor
from portal.core.clock import now, zone
from portal.core.listing import NOT_A_DAY, Filter
from portal.core.policy import grantable_roles
from portal.organizations.queries import filter_by
from portal.users.models import LONG_AGO, User, has_invitation

# The expression of the indexes. It gives people who never signed in a place in the order.
NEVER: ColumnElement[datetime] = literal_column(LONG_AGO, User.last_sign_in_at.type)
last_sign_in = func.coalesce(User.last_sign_in_at, NEVER)
YES_OR_NO = {"yes": True, "no": False}
EXPIRIES = {"any": "Expires", "soon": "Expires within 30 days"}
IDLE_DAYS = ("30", "90", "180", "365")
INVITATIONS = {"pending": "Pending", "expiring": "Expiring soon", "expired": "Expired", "revoked": "Revoked"}


def _by_role(value: str) -> ColumnExpressionArgument[bool] | None:
    return User.role == Role[value] if value in Role.__members__ else None


def _roles() -> list[tuple[str, str]]:
    return [(role.name, role.label) for role in grantable_roles(current_actor())]


def _by_verified(value: str) -> ColumnExpressionArgument[bool] | None:
    return _is(User.email_verified, value)


def _by_two_factor(value: str) -> ColumnExpressionArgument[bool] | None:
    return _is(User.has_two_factor, value)


def _is(column: Any, value: str) -> ColumnExpressionArgument[bool] | None:
    """Not `IS true`, which would keep PostgreSQL from using a partial index on the rows where the column is true."""
    if value not in YES_OR_NO:
        return None
    wanted: ColumnExpressionArgument[bool] = column if YES_OR_NO[value] else not_(column)
    return wanted


def _by_invitation(value: str) -> ColumnExpressionArgument[bool] | None:
    return has_invitation(value) if value in INVITATIONS else None


def _by_created_from(value: str) -> ColumnExpressionArgument[bool] | None:
    day = day_of(value)
    return None if day is None else User.created_at >= day


def _by_last_sign_in(value: str) -> ColumnExpressionArgument[bool] | None:
    return last_sign_in == NEVER if value == "never" else None


def _by_idle(value: str) -> ColumnExpressionArgument[bool] | None:
    """Neither signed in nor created in the last so many days."""
    if value not in IDLE_DAYS:
        return None
    since = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=int(value))
    return and_(last_sign_in < since, User.created_at < since)


def _by_last_sign_in_before(value: str) -> ColumnExpressionArgument[bool] | None:
    """The condition on created_at is implied, but avoids reading all of the newest people in vain."""
    day = day_of(value)
    return None if day is None else and_(last_sign_in > NEVER, last_sign_in < day, User.created_at < day)


def _by_expiry(value: str) -> ColumnExpressionArgument[bool] | None:
    if value not in EXPIRIES:
        return None
    soon = now().date() + timedelta(days=30)
    return User.expires_on.is_not(None) if value == "any" else and_(User.is_active, User.expires_on <= soon)


def _by_start(value: str) -> ColumnExpressionArgument[bool] | None:
    return User.activates_on.is_not(None) if value == "later" else None


def day_of(value: str) -> datetime | None:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return None
    return datetime(day.year, day.month, day.day, tzinfo=zone())


FILTERS = {
    "role": Filter(_by_role, lambda value, _: f"Role: {Role[value].label}", label="Role: any", choices=_roles),
    "verified": Filter(
        _by_verified,
        lambda value, _: f"Email {'verified' if value == 'yes' else 'not verified'}",
        label="Email: any",
        choices=lambda: (("yes", "Email verified"), ("no", "Email not verified")),
    ),
    "two_factor": Filter(
        _by_two_factor,
        lambda value, _: f"Two-factor authentication {'on' if value == 'yes' else 'off'}",
        label="Two-factor: any",
        choices=lambda: (("yes", "Two-factor on"), ("no", "Two-factor off")),
    ),
    "invitation": Filter(
        _by_invitation,
        lambda value, _: f"Invitation {value}",
        choices=lambda: list(INVITATIONS.items()),
        is_found=False,
        divides="invited",
    ),
    "organization": filter_by(User.organization_id),
    "created_from": Filter(_by_created_from, lambda value, _: f"Created from {value}", NOT_A_DAY),
    "expiry": Filter(
        _by_expiry, lambda value, _: EXPIRIES[value], label="Expiry: any", choices=lambda: list(EXPIRIES.items())
    ),
    "start": Filter(
        _by_start,
        lambda *_: "Starts later",
        label="Start: any",
        choices=lambda: (("later", "Starts later"),),
        is_found=False,
    ),
    "last_sign_in": Filter(
        _by_last_sign_in,
        lambda *_: "Never signed in",
        label="Last sign-in: any",
        choices=lambda: (("never", "Never signed in"),),
    ),
    "idle": Filter(_by_idle, lambda value, _: f"No sign-in for {value} days, or never", is_found=False),
    "last_sign_in_before": Filter(
        _by_last_sign_in_before, lambda value, _: f"Inactive since {value}", NOT_A_DAY, label="Inactive since"
    ),
}
