"""How does a person come in?"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, update
from sqlalchemy.exc import DBAPIError

from portal.auth import queries
from portal.core import history, throttle
from portal.core.actor import SYSTEM, Actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.errors import Throttled
from portal.core.throttle import Counter
from portal.demo import DEMO_PASSWORD
from portal.tokens import commands as tokens
from portal.tokens.commands import Lifetime
from portal.users import passwords
from portal.users.commands import rehash, stored_password
from portal.users.forms import canonical_email
from portal.users.models import User, full_name
from portal.web.observing import count_sign_in
from portal.web.session import SignedIn, look_up_with

log = logging.getLogger("portal")

NOTED_EVERY = timedelta(minutes=1)


def sign_in(
    email: str, password: str, *, lifetime: Lifetime, demo: bool, counters: Sequence[Counter] = ()
) -> SignedIn | None:
    """Check and begin a sign-in. None for an unknown address, a wrong password, or somebody who may not come in:

    always after the same work, so that neither words nor time tell which it was. Throttled, without a check, where one
    of the counters is full; success takes the guess out of them. The demo's password opens only demos.
    """
    with acting_as(SYSTEM):
        person = db.session.execute(queries.by_email(canonical(email))).first()
        db.session.rollback()  # the check takes a quarter of a second: no connection waits for it
        try:
            throttle.attempt(*counters)
        except Throttled:
            _record_failure("throttled", person)
            raise
        verdict = passwords.verify(password, person.password if person else None)
        if person is None or not verdict.right or (password == DEMO_PASSWORD and not demo):
            _record_failure("sign_in_failed", person)
            return None
        better = passwords.hash_password(password) if verdict.outdated else None
        token = _open(person, better, lifetime=lifetime, counters=counters)
        count_sign_in("sign_in")
        return signed_in(token) if token else None


@command
def _open(person: Row[Any], better: str | None, *, lifetime: Lifetime, counters: Sequence[Counter]) -> str | None:
    """Begin the sign-in, unless the password was changed since it was read: the change ended all that were there."""
    unchanged = queries.with_password(person.id, person.password).with_for_update(of=User, key_share=True)
    if db.session.scalar(unchanged) is None:
        return None
    if better:
        rehash(person.id, person.password, better)
    throttle.forgive(counters)
    history.record("sign_in", by=_actor(person), about=person.id)
    here = update(User).where(User.id == person.id).values(last_sign_in_at=now())
    db.session.execute(here, execution_options={"synchronize_session": False})
    return tokens.open_sign_in(person.id, person.organization_id, lifetime=lifetime)


def is_own_password(person: SignedIn, password: str, counter: Counter) -> bool:
    """Check the current password of somebody who is signed in. Throttled where it was guessed at too often."""
    if person.id is None:
        return False
    stored = stored_password(person.id)
    try:
        with acting_as(SYSTEM):
            throttle.attempt(counter)
    except Throttled:
        history.record("throttled", about=person.id)
        raise
    db.session.rollback()  # no connection waits for the check
    if not passwords.verify(password, stored).right:
        return False
    with acting_as(SYSTEM):
        throttle.forgive([counter])
    return True


def _record_failure(action: str, person: Row[Any] | None) -> None:
    """The same work for an address that nobody has; a SUPER_ADMIN's is not told to the tenant."""
    count_sign_in(action)
    about, tenant = (person.id, _actor(person).seen_by) if person else (None, None)
    history.record(action, about=about, tenant=tenant)


def _actor(person: Row[Any]) -> Actor:
    return Actor(person.id, person.role, person.organization_id)


@look_up_with
def signed_in(token: str) -> SignedIn | None:
    """The person of a sign-in, as the database knows them now. The sign-in lasts longer for being used."""
    row = db.session.execute(queries.by_token(token)).first()
    if row is None:
        return None
    if now() - row.used_at > NOTED_EVERY:
        _note_use(row.sign_in_id, row.used_at)
    return SignedIn(
        actor=_actor(row),
        token=token,
        name=full_name(row.first_name, row.last_name, row.email),
        first_name=row.first_name or "",
        email=row.email,
        organization_name=row.organization_name,
        must_change_password=row.must_change_password,
        sign_in_id=row.sign_in_id,
        is_kept=row.is_kept,
        proved_at=row.proved_at,
    )


def _note_use(sign_in_id: uuid.UUID, seen: datetime) -> None:
    """A database that can't be written to can still be read."""
    try:
        tokens.use(sign_in_id, seen)
    except DBAPIError:
        log.exception("the use of a sign-in is not noted")


def sign_out(person: SignedIn) -> None:
    """End the sign-in on the server."""
    with acting_as(SYSTEM):
        _close(person)


@command
def _close(person: SignedIn) -> None:
    tokens.revoke(person.token)
    history.record("sign_out", by=person.actor, about=person.id)


def sign_in_anew(person: SignedIn, *, lifetime: Lifetime) -> SignedIn | None:
    """A new sign-in for somebody who proved who they are: after a change of password."""
    if person.id is None:
        return None
    with acting_as(SYSTEM):
        return signed_in(tokens.open_sign_in(person.id, person.organization_id, lifetime=lifetime))


def canonical(email: str) -> str:
    """The address that was meant, in the one way to write it; as it was typed where it is none."""
    try:
        return canonical_email(email.strip())
    except ValueError:
        return email.strip().lower()
