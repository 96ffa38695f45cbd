"""Change a person as the system on behalf of an administrator: authorized, locked and credited in one place."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from portal.core import history, rate_limit
from portal.core.actions import Action
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.db import acting_as, command, db, locked
from portal.core.errors import NotAllowed
from portal.core.rate_limit import Counter
from portal.users import queries
from portal.users.models import User

R = TypeVar("R")
Record = Callable[[Action], None]


def on_behalf(user_id: uuid.UUID, change: Callable[[User, Record], R], *counters: Counter) -> R:
    """Run `change` as the system, in one transaction, on a person whom the actor may change, or on the actor.

    `change` receives the locked row and a function that records an event about it. History and stamps name the actor.
    Attempts are counted first. Raises Missing, NotAllowed; RateLimited if a counter is full.
    """
    by = current_actor()
    db.session.rollback()  # don't hold a connection while waiting for another
    with acting_as(SYSTEM):
        rate_limit.attempt(*counters)
        return _changed(user_id, by, change)


@command
def _changed(user_id: uuid.UUID, by: Actor, change: Callable[[User, Record], R]) -> R:
    user = locked(queries.reached_by(by, user_id))
    if user.id != by.id and not user.may_be_changed_by(by):
        raise NotAllowed
    history.credit(by)
    return change(user, partial(history.record, by=by, about=user.id, tenant=user.seen_by))
