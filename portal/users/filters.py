"""Filters for the list of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ColumnExpressionArgument, and_, case, false, literal_column, not_, or_

from portal.core.actor import Role, current_actor
from portal.core.bulk import among
from portal.core.clock import now
from portal.core.days import day_of, last_day_of, on_day, since, until
from portal.core.keys import NO_KEY, read_key
from portal.core.listing import NOT_A_DAY, Filter
from portal.core.policy import grantable_roles
from portal.organizations.queries import filter_by
from portal.users.indexes import LONG_AGO
from portal.users.models import User, has_invitation

# The expression of the indexes. It gives people who never signed in a place in the order.
NEVER: ColumnElement[datetime] = literal_column(LONG_AGO, User.last_sign_in_at.type)
last_sign_in = case((User.last_sign_in_at.is_(None), NEVER), else_=User.last_sign_in_at)
YES_OR_NO = {"yes": True, "no": False}
EXPIRIES = {"any": "Expires", "soon": "Expires within 30 days"}
SIGNED_IN = ("last_sign_in_before", "last_sign_in_from")
IDLE_DAYS = ("30", "90", "180", "365")
INVITATIONS = {"pending": "Pending", "expiring": "Expiring soon", "expired": "Expired", "revoked": "Revoked"}
NEVER_ACCEPTED = "never"  # everybody in the tab Invited; under Deactivated and Deleted, those who never accepted
LATER = "later"  # people are deactivated until their first day


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
    if value == NEVER_ACCEPTED:
        return and_(User.invited_at.is_not(None), User.accepted_at.is_(None))
    return has_invitation(value) if value in INVITATIONS else None


def _by_any_invitation(values: Sequence[str]) -> ColumnElement[bool]:
    return or_(false(), *(one for value in values if (one := _by_invitation(value)) is not None))


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
    return User.expires_on.is_not(None) if value == "any" else and_(User.is_active, User.expires_on <= _soon())


def _soon() -> date:
    return now().date() + timedelta(days=30)


def found_by(asked: Mapping[str, str]) -> dict[str, Any]:
    """The filters in the form that portal_find_users reads."""
    found: dict[str, Any] = {name: YES_OR_NO[asked[name]] for name in ("verified", "two_factor") if name in asked}
    if "organization" in asked:
        found["organizations"] = [str(read_key(value) or NO_KEY) for value in asked["organization"].split(",")]
    if "role" in asked:
        found["roles"] = asked["role"].split(",")
    if "last_sign_in" in asked:
        found["never_signed_in"] = True
    if "expiry" in asked:
        found |= {"expires": True} if asked["expiry"] == "any" else {"expires_until": _soon().isoformat()}
    for name, begins, ends in (
        ("created", day_of(asked.get("created_from", "")), last_day_of(asked.get("created_until", ""))),
        ("changed", day_of(asked.get("changed_from", "")), last_day_of(asked.get("changed_until", ""))),
        ("signed_in", day_of(asked.get("last_sign_in_from", "")), day_of(asked.get("last_sign_in_before", ""))),
    ):
        found[name] = [moment.isoformat() if moment else None for moment in (begins, ends)]
    return found


def _by_start(value: str) -> ColumnExpressionArgument[bool] | None:
    return User.activates_on.is_not(None) if value == LATER else None


FILTERS = {
    "organization": filter_by(User.organization_id),
    "role": Filter(
        _by_role,
        lambda value, _: f"Role: {Role[value].label}",
        label="Role: any",
        choices=_roles,
        any_of=lambda values: among(User.role, [Role[value] for value in values]),
    ),
    "two_factor": Filter(
        _by_two_factor,
        lambda value, _: f"Two-factor authentication {'on' if value == 'yes' else 'off'}",
        label="Two-factor: any",
        choices=lambda: (("yes", "Two-factor on"), ("no", "Two-factor off")),
    ),
    "invitation": Filter(
        _by_invitation,
        lambda value, _: "Invitation never accepted" if value == NEVER_ACCEPTED else f"Invitation {value}",
        label="Invitation: any",
        choices=lambda: [*INVITATIONS.items(), (NEVER_ACCEPTED, "Never accepted")],
        is_found=False,
        divides="invited",
        whole=NEVER_ACCEPTED,
        any_of=_by_any_invitation,
        is_rare=True,
    ),
    "verified": Filter(
        _by_verified,
        lambda value, _: f"Email {'verified' if value == 'yes' else 'not verified'}",
        label="Email: any",
        choices=lambda: (("yes", "Email verified"), ("no", "Email not verified")),
        is_rare=True,
    ),
    "expiry": Filter(
        _by_expiry,
        lambda value, _: EXPIRIES[value],
        label="Expiry: any",
        choices=lambda: list(EXPIRIES.items()),
        is_rare=True,
        sort="expires_on",
    ),
    "start": Filter(
        _by_start,
        lambda *_: "Starts later",
        label="First day: any",
        choices=lambda: ((LATER, "Starts later"),),
        is_found=False,
        divides="deactivated",
        is_rare=True,
        sort="activates_on",
    ),
    "last_sign_in": Filter(
        _by_last_sign_in,
        lambda *_: "Never signed in",
        label="Last sign-in: any",
        choices=lambda: (("never", "Never signed in"),),
        is_rare=True,
        sort="-last_sign_in_at",
    ),
    "idle": Filter(_by_idle, lambda value, _: f"No sign-in for {value} days, or never", is_found=False),
    "last_sign_in_before": Filter(
        _by_last_sign_in_before,
        on_day("Inactive since"),
        NOT_A_DAY,
        label="Inactive since",
        is_rare=True,
        sort="-last_sign_in_at",
    ),
    "last_sign_in_from": Filter(
        since(last_sign_in),
        on_day("Signed in since"),
        NOT_A_DAY,
        label="Signed in since",
        is_rare=True,
        sort="-last_sign_in_at",
    ),
    "created_from": Filter(
        since(User.created_at),
        on_day("Created since"),
        NOT_A_DAY,
        label="Created since",
        is_rare=True,
        sort="-created_at",
    ),
    "created_until": Filter(
        until(User.created_at),
        on_day("Created until"),
        NOT_A_DAY,
        label="Created until",
        is_rare=True,
        sort="-created_at",
    ),
    "changed_from": Filter(
        since(User.updated_at),
        on_day("Changed since"),
        NOT_A_DAY,
        label="Changed since",
        is_rare=True,
        sort="-updated_at",
    ),
    "changed_until": Filter(
        until(User.updated_at, User.created_at),
        on_day("Changed until"),
        NOT_A_DAY,
        label="Changed until",
        is_rare=True,
        sort="-updated_at",
    ),
}
