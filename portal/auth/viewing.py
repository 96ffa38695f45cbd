"""View the portal as another person, read-only and for a limited time. The state is in the viewer's session.

web/session.py binds the viewed person as the actor and makes each transaction READ ONLY, and web/guards.py refuses
what isn't for the viewer. Each request checks again that the viewer may, and that neither person's access has changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import aliased

from portal.auth import queries
from portal.auth.actions import VIEW_BEGUN, VIEW_ENDED
from portal.core import history
from portal.core.actor import SYSTEM, Actor, Role
from portal.core.clock import now
from portal.core.counts import number_of
from portal.core.db import acting_as, command, db
from portal.core.errors import Conflict, NotAllowed
from portal.core.policy import allows
from portal.tokens.models import Session
from portal.users.models import User
from portal.users.permissions import USERS_VIEW_AS
from portal.web.session import SignedIn

CANNOT_SIGN_IN = "This person can’t sign in, so you can’t view the portal as them."
NOT_FREE = "Your session has ended, or you’re already viewing the portal as another person."
EARLY, LATE = "before the time limit", "at the time limit"
NO_SYNC = {"synchronize_session": False}


def may_view_as(viewer: Actor, person: Any) -> bool:
    """Whether the viewer may view the portal as this person (an entity or an actor): never with more rights.

    SUPER_ADMINs may view as any ADMIN or USER, ADMINs as those of their own organization.
    """
    if not allows(viewer, USERS_VIEW_AS) or viewer.id == person.id or person.role is Role.SUPER_ADMIN:
        return False
    is_colleague = viewer.organization_id is not None and viewer.organization_id == person.organization_id
    return viewer.is_unlimited or is_colleague


def is_valid(viewer: Actor, person: Actor, access: str) -> bool:
    """Whether the viewer still may, and both have the same roles and organizations as when viewing began."""
    return may_view_as(viewer, person) and _access_of(viewer, person) == access


def _access_of(*actors: Actor) -> str:
    return ", ".join(f"{one.role and one.role.name} {one.organization_id}" for one in actors)


def begin(viewer: SignedIn, user_id: uuid.UUID, *, reason: str, minutes: int) -> None:
    """View the portal as another person from the next request on. Raises NotAllowed, or Conflict if they can't sign in.

    The caller has checked that the viewer sees this person.
    """
    db.session.rollback()  # don't hold a connection while waiting for another
    with acting_as(SYSTEM):
        _begin(viewer, user_id, reason, minutes)


@command
def _begin(viewer: SignedIn, user_id: uuid.UUID, reason: str, minutes: int) -> None:
    row = db.session.execute(queries.viewable(user_id)).first()
    if row is None:
        raise Conflict(None, CANNOT_SIGN_IN)
    person = Actor(row.id, row.role, row.organization_id)
    if not may_view_as(viewer.actor, person):
        raise NotAllowed
    idle = Session.id == viewer.session_id, Session.ended_at.is_(None), Session.viewed_id.is_(None)
    until = now() + timedelta(minutes=minutes)
    values = {"viewed_id": person.id, "viewing_until": until, "viewing_access": _access_of(viewer.actor, person)}
    begun = update(Session).where(*idle).values(values).returning(Session.id)
    if db.session.scalar(begun, execution_options=NO_SYNC) is None:
        raise Conflict(None, NOT_FREE)
    details = {"limit": number_of(minutes, "minute"), "reason": reason}
    history.record(VIEW_BEGUN, by=viewer.actor, about=person.id, tenant=person.organization_id, details=details)


def stop(session_id: uuid.UUID) -> uuid.UUID | None:
    """Stop viewing as another person. Returns that person's id, or None if it had already ended."""
    with acting_as(SYSTEM):
        return next((one.viewed_id for one in _stopped(Session.id == session_id)), None)


def stop_overdue() -> int:
    """Stop viewing where the time limit has passed or the session has ended. Returns the number of sessions."""
    over = [one <= now() for one in (Session.viewing_until, Session.expires_at)]
    with acting_as(SYSTEM):
        return len(_stopped(or_(*over, Session.ended_at.is_not(None))))


@command
def _stopped(condition: ColumnElement[bool]) -> Sequence[Any]:
    viewer, viewed = aliased(User), aliased(User)
    about = viewer.id, viewer.role, viewer.organization_id, viewed.organization_id.label("tenant")
    found = (
        select(Session.id.label("session_id"), Session.viewed_id, Session.viewing_until, *about)
        .join(viewer, viewer.id == Session.user_id)
        .outerjoin(viewed, viewed.id == Session.viewed_id)
        .where(condition, Session.viewed_id.is_not(None))
        .with_for_update(of=Session)
    )
    rows = db.session.execute(found, execution_options={"with_deleted": True}).all()
    keys, at = [one.session_id for one in rows], now()
    none = {"viewed_id": None, "viewing_until": None, "viewing_access": None}
    if rows:
        db.session.execute(update(Session).where(Session.id.in_(keys)).values(none), execution_options=NO_SYNC)
    for one in rows:
        by, when = Actor(one.id, one.role, one.organization_id), _when(one.viewing_until, at)
        history.record(VIEW_ENDED, by=by, about=one.viewed_id, tenant=one.tenant, details={"when": when})
    return rows


def _when(until: datetime, at: datetime) -> str:
    return EARLY if at < until else LATE
