"""Warn people who haven't signed in for a long time, then deactivate them, if their organization has such a rule.

A warning is an event in the history. It counts until the person signs in or is activated again. Then they are warned
again. SUPER_ADMINs and an organization's last administrator are neither warned nor deactivated.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, not_, select

from portal.core import history
from portal.core.actor import SYSTEM, Role
from portal.core.clock import now
from portal.core.counts import number_of
from portal.core.db import acting_as, command, db, locked, without_time_limit
from portal.core.errors import Busy, Conflict, Missing
from portal.core.history import Activity
from portal.mail.commands import send_later
from portal.mail.message import Email
from portal.organizations.commands import organizations
from portal.organizations.models import Organization
from portal.tokens.models import ApiToken, Session
from portal.users import links, queries
from portal.users.actions import INACTIVITY_WARNED
from portal.users.commands import users
from portal.users.filters import last_sign_in
from portal.users.models import User, full_name
from portal.web.brand import product
from portal.web.jinja import day

log = logging.getLogger("portal")

LATE = timedelta(days=7)
AT_ONCE = 500  # people of an organization per run of the worker
EMAIL = "inactivity_warning"


def set_policy(organization_id: uuid.UUID, *, days: int | None, warning: int | None) -> Organization:
    """Deactivate an organization's people after so many days without signing in, and warn them so many days before."""
    return _set_policy(organization_id, {"inactive_days": days, "warning_days": warning if days else None})


@command
def _set_policy(organization_id: uuid.UUID, values: dict[str, int | None]) -> Organization:
    row = locked(organizations.by_id(organization_id))
    organizations.change(row, {name: value for name, value in values.items() if getattr(row, name) != value})
    return row


def carry_out() -> int:
    """Warn and deactivate the people who are due. Returns how many."""
    with acting_as(SYSTEM):
        wanted = select(Organization.id, Organization.inactive_days, Organization.warning_days)
        found = db.session.execute(wanted.where(Organization.inactive_days.is_not(None))).all()
        return sum(_of_organization(one.id, one.inactive_days or 0, one.warning_days or 0) for one in found)


def _of_organization(organization_id: uuid.UUID, days: int, warning: int) -> int:
    over = _found(_due(organization_id, days, to_warn=False))
    done = sum(_tried(_deactivated, one, days, warning) for one in over)
    to_warn = _found(_due(organization_id, days - warning, to_warn=True))
    return done + sum(_tried(_warned, one, days, warning) for one in to_warn)


def _found(due: Select[uuid.UUID]) -> Sequence[uuid.UUID]:
    """Run without a time limit, because reading the inactive people of a very large organization takes long."""
    with without_time_limit():
        found = db.session.scalars(due).all()
    db.session.rollback()
    return found


def inactive(organization_id: uuid.UUID, days: int) -> ColumnElement[bool]:
    """People who neither signed in, nor used a session or an API token, nor were created in so many days."""
    since = now() - timedelta(days=days)
    uses = (
        select(one.id).where(one.user_id == User.id, one.used_at >= since).correlate(User).exists()
        for one in (Session, ApiToken)
    )
    is_new = and_(User.invited_at.is_not(None), User.accepted_at.is_(None))
    place = User.organization_id == organization_id, User.is_active, User.role != Role.SUPER_ADMIN
    return and_(*place, last_sign_in < since, User.created_at < since, not_(is_new), *(not_(one) for one in uses))


def _due(organization_id: uuid.UUID, days: int, *, to_warn: bool) -> Select[uuid.UUID]:
    """Whom to warn, or whom to deactivate because the announced day has come.

    Warnings whose day passed long ago don't count, because they were sent under an earlier rule.
    """
    today = now().date()
    is_warning = Activity.action == INACTIVITY_WARNED.name
    warned, until = _newest(Activity.at, is_warning), _newest(Activity.changes["until"][1].astext, is_warning)
    again = func.coalesce(_newest(Activity.at, Activity.changes.has_key("is_active")), last_sign_in)
    counts = and_(warned > last_sign_in, warned > again, until >= (today - LATE).isoformat())
    is_due = not_(func.coalesce(counts, false())) if to_warn else and_(counts, until <= today.isoformat())
    return select(User.id).where(inactive(organization_id, days), is_due).limit(AT_ONCE)


def _newest(value: Any, condition: ColumnElement[bool]) -> Any:
    about = Activity.table_name == User.__tablename__, Activity.row_id == User.id
    return select(func.max(value)).where(*about, condition).correlate(User).scalar_subquery()


def _tried(act: Callable[[uuid.UUID, int, int], bool], user_id: uuid.UUID, days: int, warning: int) -> bool:
    try:
        return act(user_id, days, warning)
    except (Busy, Conflict, Missing) as error:
        log.warning("an inactive account was not changed: %s", type(error).__name__)
        return False


@command
def _warned(user_id: uuid.UUID, days: int, warning: int) -> bool:
    user = _still(user_id, days - warning)
    if user is None:
        return False
    details = {"days": number_of(days, "day"), "until": (now() + timedelta(days=warning)).date().isoformat()}
    history.record(INACTIVITY_WARNED, about=user.id, tenant=user.seen_by, details=details)
    send_later(EMAIL, user.id)
    return True


@command
def _deactivated(user_id: uuid.UUID, days: int, _warning: int) -> bool:
    user = _still(user_id, days)
    if user is None:
        return False
    users.change(user, {"is_active": False})
    return True


def _still(user_id: uuid.UUID, days: int) -> User | None:
    """The locked person, if they are still inactive, and not their organization's last administrator."""
    user = locked(queries.by_id(user_id))
    home = user.organization_id
    if home is None or db.session.scalar(select(User.id).where(User.id == user_id, inactive(home, days))) is None:
        return None
    is_last = user.role is Role.ADMIN and not db.session.scalar(queries.admins_of(home, besides=user_id))
    return None if is_last else user


def warning(user_id: uuid.UUID, _event: int | None) -> Email | None:
    """The email to people who will be deactivated; None if they have signed in since, or are deactivated already."""
    found = links.person(user_id)
    about = Activity.row_id == user_id, Activity.action == INACTIVITY_WARNED.name
    newest = select(Activity.changes, Activity.at).where(*about).order_by(Activity.id.desc()).limit(1)
    event = db.session.execute(newest).first()
    signed_in = db.session.scalar(select(User.last_sign_in_at).where(User.id == user_id))
    if found is None or event is None or (signed_in and signed_in > event.at):
        return None
    (_, days), (_, until) = (
        (event.changes or {}).get("days", (None, "")),
        (event.changes or {}).get("until", (None, "")),
    )
    if not until:  # erased
        return None
    return Email(
        recipient=found.email,
        subject=f"Your {product()} account will be deactivated",
        greeting=f"Hello {full_name(found.first_name, found.last_name, found.email)},",
        paragraphs=(
            f"{found.organization_name or 'Your organization'} deactivates accounts after {days} without a sign-in.",
            f"Sign in before {day(date.fromisoformat(until))} to keep your account.",
        ),
        link=links.url_of("auth.login"),
        verb="Sign in",
        closing=("If you no longer need the account, you can ignore this email.",),
    )


def sentences(organization_id: uuid.UUID, days: int, warning_days: int) -> Sequence[str]:
    """What happens when the rule is turned on."""
    many = db.session.scalar(select(func.count(User.id)).where(inactive(organization_id, days))) or 0
    people = number_of(many, "person", "people")
    verb = "hasn’t" if many == 1 else "haven’t"
    return (
        f"{people} {verb} signed in for {days} days.",
        f"They get an email, and are deactivated {warning_days} days later unless they sign in.",
        f"Others get the email after {days - warning_days} days without a sign-in.",
        "The organization’s last administrator is never deactivated.",
    )
