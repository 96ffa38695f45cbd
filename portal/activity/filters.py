"""Filters of the activity. The session adds the condition for the tenant."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnExpressionArgument as Condition
from sqlalchemy import Row, and_, false, or_, select, true
from sqlalchemy.orm import aliased

from portal.activity import periods
from portal.activity.actions import fields, labels
from portal.core.clock import zone
from portal.core.days import on_day
from portal.core.db import db
from portal.core.email_addresses import readable_email
from portal.core.history import Activity
from portal.core.keys import read_key
from portal.core.listing import NOT_A_DAY, Filter
from portal.core.operations import Operation
from portal.organizations.queries import names_of
from portal.resources.resource import resources
from portal.users.models import User
from portal.web.given import actions

FEW = 5  # rows of which an operation holds the ids and names
LARGE = 1_000
ACTOR = aliased(User, name="actor")


def about(ids: list[uuid.UUID]) -> Condition[bool]:
    """Operations on these rows. Each contains the ids of its first few; those of further rows are in its events."""
    if not ids:
        return false()
    size = select(Operation.events).where(Operation.id == Activity.operation_id, Operation.shown())
    changed = Activity.row_id.in_(ids), Activity.row_version.is_not(None)
    found = select(Activity.operation_id).where(*changed, size.correlate(Activity).scalar_subquery() > FEW)
    large = db.session.scalars(found.distinct().limit(LARGE)).all()
    return or_(Operation.row_ids.overlap(ids), Operation.id.in_(large)) if large else Operation.row_ids.overlap(ids)


def _uuid(value: str) -> uuid.UUID:
    try:
        return uuid.UUID(value)
    except ValueError:
        return uuid.UUID(int=0)


def _by(value: str) -> Condition[bool] | None:
    """By somebody whom the reader may know: finding others' operations would reveal who they are."""
    if key := read_key(value):
        return and_(Operation.actor_id == key, select(ACTOR.id).where(ACTOR.id == key).exists())
    found = resources()["users"].identified_by(value)
    return Operation.actor_id.in_([row.id for row in found]) if found else None


def _by_team(value: str) -> Condition[bool] | None:
    found = resources()["teams"].identified_by(value)
    return about([row.id for row in found]) if found else None


def organization(value: str) -> tuple[list[uuid.UUID], Filter]:
    """The keys of the organizations with this key or name, and the filter by them."""
    key = read_key(value)
    found = {key: "one", **names_of([key])} if key else {}
    if value and not key:
        found = {row.id: row.name for row in resources()["organizations"].identified_by(value)}
    chosen = Filter(
        lambda _: true() if found else None,
        lambda *_: f"Organization: {next(iter(found.values()))}",
        "No organization matches this name.",
        label="Organization",
        suggestions="organizations",
    )
    return list(found), chosen


def _by_action(value: str) -> Condition[bool] | None:
    return Operation.actions.contains([value]) if value in actions() else None


def _by_field(value: str) -> Condition[bool] | None:
    return Operation.fields.contains([value]) if value in fields() else None


def _by_day(compare: Callable[[datetime], Condition[bool]]) -> Callable[[str], Condition[bool] | None]:
    def condition(value: str) -> Condition[bool] | None:
        try:
            day = date.fromisoformat(value)
            return compare(datetime(day.year, day.month, day.day, tzinfo=zone()))
        except (ValueError, OverflowError):
            return None

    return condition


def _by_whom(_value: str, row: Row[Any] | None) -> str:
    return f"By {readable_email((row.actor_name if row else None) or 'one person')}"


def _about_whom(_value: str, row: Row[Any] | None) -> str:
    return f"About {readable_email((row.row_name if row else None) or 'one record')}"


FILTERS = {
    "row": Filter(lambda value: about([_uuid(value)]), _about_whom),
    "action": Filter(_by_action, lambda value, _: actions()[value].label, label="All actions", choices=labels),
    "field": Filter(
        _by_field, lambda value, _: f"Field: {fields()[value]}", label="Any field", choices=lambda: [*fields().items()]
    ),
    "by": Filter(
        _by,
        _by_whom,
        "No person has this name or email address. Choose one of the suggestions.",
        label="Person",
        suggestions="users",
    ),
    "team": Filter(
        _by_team,
        lambda value, row: f"Team: {value}" if read_key(value) is None else _about_whom(value, row),
        "No team has this name. Choose one of the suggestions.",
        label="Team",
        suggestions="teams",
    ),
    "period": periods.FILTER,
    "from": Filter(_by_day(lambda day: Operation.at >= day), on_day("From"), NOT_A_DAY, "From"),
    "to": Filter(
        _by_day(lambda day: Operation.at < day + timedelta(days=1)),
        on_day("Until"),
        NOT_A_DAY,
        "Until",
    ),
}
