"""Check whether an email address is free, and limit how many addresses of other organizations can be discovered."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func, select

from portal.core import history, rate_limit
from portal.core.actor import SYSTEM, current_actor
from portal.core.db import acting_as, db
from portal.core.errors import Conflict, RateLimited
from portal.core.rate_limit import Counter
from portal.users import queries
from portal.users.actions import ADDRESS_REFUSED
from portal.users.models import User
from portal.web.attempts import of_foreign_addresses

KEY = "users_email_key"
ADDRESS_TAKEN_ELSEWHERE = "This address can't be used here. Ask your system administrator."
TOO_MANY_ELSEWHERE = (
    "Too many attempts with addresses that can't be used here. Try again later, or ask your system administrator."
)

R = TypeVar("R")


def asking_for(email: str | None, change: Callable[[], R]) -> R:
    """Run a change that sets this address, if any. Every change that reveals whether an address is free must use it.

    Raises Conflict if the address is in use; it names the person if the actor may see them. Inside a tenant, each check
    is counted beforehand, so that concurrent ones can't exceed the limit, and taken back if the address was free or the
    tenant's own. Above the limit, every address gets the same Conflict.
    """
    if email is None:
        return change()
    counters = _count()
    is_elsewhere = False
    try:
        return change()
    except Conflict as conflict:
        if conflict.constraint != KEY:
            raise
        holder = db.session.scalar(queries.by_email(email))
        is_elsewhere = holder is None
        message = f"{holder.name} already uses this address." if holder else ADDRESS_TAKEN_ELSEWHERE
        db.session.rollback()  # don't hold a connection while waiting for another
        if is_elsewhere:
            history.record(ADDRESS_REFUSED)
        raise Conflict("email", message, constraint=KEY) from None
    finally:
        if counters and not is_elsewhere:
            with acting_as(SYSTEM):
                rate_limit.forgive(counters)


def check_free(email: str) -> None:
    """Raise Conflict if the address is in use, for changes that set it later: see `asking_for`."""
    db.session.rollback()  # don't hold a connection while waiting for another
    with acting_as(SYSTEM):
        if db.session.scalar(queries.by_email(email)):
            raise Conflict("email", ADDRESS_TAKEN_ELSEWHERE, constraint=KEY)


def taken_elsewhere(ids: Sequence[uuid.UUID]) -> Sequence[uuid.UUID]:
    """Those deleted people whose address is in use where the actor can't see it, for restoring many at once.

    Each is counted as a request for such an address. Raises Conflict above the limit.
    """
    counters, actor = _count(), current_actor()
    if not counters:
        return ()
    with acting_as(SYSTEM):
        found = db.session.scalars(queries.taken_elsewhere(ids, actor), execution_options={"with_deleted": True}).all()
        try:
            for _ in found[1:]:
                rate_limit.attempt(*counters)
        except RateLimited:
            raise Conflict("email", TOO_MANY_ELSEWHERE) from None
        if not found:
            rate_limit.forgive(counters)
    for _ in found:
        history.record(ADDRESS_REFUSED)
    return found


def is_outside(organization_id: Any) -> ColumnElement[bool]:
    """Whether the organization doesn't allow the domain of a person's email address."""
    found: ColumnElement[bool] = func.portal_address_problem(organization_id, User.email).is_not(None)
    return found


def check_domain(user: User) -> None:
    """Raise Conflict if a person's organization doesn't allow the domain of their email address."""
    problem = db.session.scalar(select(func.portal_address_problem(user.organization_id, user.email)))
    if problem:
        raise Conflict(None, problem)


def _count() -> Sequence[Counter]:
    """Count one attempt in the actor's counters. Actors without a tenant have none."""
    actor = current_actor()
    if actor.is_unlimited or actor.id is None:
        return ()
    counters = of_foreign_addresses(actor.id, actor.organization_id)
    db.session.rollback()
    with acting_as(SYSTEM):
        try:
            rate_limit.attempt(*counters)
        except RateLimited:
            raise Conflict("email", TOO_MANY_ELSEWHERE) from None
    return counters
