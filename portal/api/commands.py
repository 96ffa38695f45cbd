"""Sign API clients in and out, and refresh their tokens."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from portal.api.actions import REPLAY
from portal.auth import queries
from portal.auth.actions import SIGN_OUT
from portal.auth.commands import Awaited, actor_of, awaited, begun, proved
from portal.core import history, rate_limit
from portal.core.actor import SYSTEM
from portal.core.db import acting_as, command, db
from portal.core.rate_limit import Counter
from portal.mail.commands import send_later
from portal.mfa.commands import use_code
from portal.tokens import rotation
from portal.tokens.commands import Lifetime
from portal.tokens.rotation import ClientSession, Opened, Refusal
from portal.web.attempts import at_two_factor


def log_in(
    email: str, password: str, code: str, *, lifetime: Lifetime, demo: bool, counters: Sequence[Counter]
) -> Opened | Awaited | None:
    """Sign in with the checks of auth.commands.begun. Returns Awaited if the code is wrong or missing."""
    begins = begun(email, password, rotation.open_client_session, lifetime=lifetime, demo=demo, counters=counters)
    person = awaited(begins) if isinstance(begins, Awaited) and code else None
    if person is None:
        return begins
    counter = at_two_factor(person.email, person.id)
    opened = proved(
        person, lambda who: use_code(who, code), rotation.open_client_session, lifetime=lifetime, counter=counter
    )
    return opened or begins


def refresh(token: str, *, grace: timedelta, counter: Counter) -> Opened | Refusal:
    """Replace a refresh token with the next one. Raises RateLimited."""
    with acting_as(SYSTEM):
        rate_limit.attempt(counter)
        return _refresh(token, grace)


@command
def _refresh(token: str, grace: timedelta) -> Opened | Refusal:
    session = rotation.client_session_of(token)
    person = _person_of(session) if session else None
    if person is None:
        return Refusal.UNKNOWN
    outcome = rotation.rotate(token, grace=grace)
    if outcome is Refusal.REPLAYED:
        history.record(REPLAY, about=person.id, tenant=actor_of(person).seen_by)
        send_later("replay", person.id)
    return outcome


def log_out(token: str, *, counter: Counter) -> None:
    """End the session of a refresh token, if there is one. Raises RateLimited."""
    with acting_as(SYSTEM):
        rate_limit.attempt(counter)
        _log_out(token)


@command
def _log_out(token: str) -> None:
    session = rotation.client_session_of(token)
    if session is None:
        return
    person = _person_of(session)
    rotation.close_client_session(session)
    if person:
        history.record(SIGN_OUT, by=actor_of(person), about=person.id)


def _person_of(session: ClientSession) -> Row[Any] | None:
    own = {"session_id": session.id, "user_id": session.user_id}
    return db.session.execute(queries.by_session(), own).first()


def session_id(token: str) -> uuid.UUID | None:
    """The id of a refresh token's session, whether the token was used or not. None if there is none."""
    with acting_as(SYSTEM):
        return db.session.scalar(rotation.session_id_of(token))


def was_just_spent(token: str) -> bool:
    """Whether the token that replaced this one is still unused."""
    with acting_as(SYSTEM):
        return db.session.scalar(rotation.successor_of(token)) is not None
