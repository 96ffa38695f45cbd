"""Sign people in and out."""

from __future__ import annotations

import hashlib
import hmac
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import Row, update
from sqlalchemy.exc import DBAPIError

from portal.auth import queries
from portal.auth.actions import RATE_LIMITED, SIGN_IN, SIGN_IN_FAILED, SIGN_OUT, TWO_FACTOR_FAILED
from portal.core import history, rate_limit
from portal.core.actions import Action
from portal.core.actor import SYSTEM, Actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.email_addresses import lookup_email
from portal.core.errors import Busy, NotAllowed, RateLimited
from portal.core.rate_limit import Counter
from portal.mail.commands import send_later
from portal.mfa import commands as mfa
from portal.mfa.passkeys import Answer
from portal.mfa.words import CODE, MEANS, PASSKEY
from portal.tokens import commands as tokens
from portal.tokens.commands import Lifetime
from portal.users import passwords
from portal.users.commands import rehash, stored_password
from portal.users.models import User, full_name
from portal.web.given import current_settings
from portal.web.observing import count_sign_in
from portal.web.session import SignedIn

log = logging.getLogger("portal")

NOTED_EVERY = timedelta(minutes=1)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Opens(Protocol[T_co]):
    """Opens a session: a browser's, or an API client's."""

    def __call__(self, user_id: uuid.UUID, organization_id: uuid.UUID | None, /, *, lifetime: Lifetime) -> T_co: ...


@dataclass(frozen=True)
class Awaited:
    """A person whose password was right, and whose second factor is still missing."""

    user_id: uuid.UUID
    password: str  # a fingerprint of its hash, so that changing the password invalidates this


Verifier = Callable[[uuid.UUID], str | None]  # what this person's second factor was, in words; None if it was wrong


def sign_in(
    email: str, password: str, *, lifetime: Lifetime, demo: bool, counters: Sequence[Counter] = ()
) -> SignedIn | Awaited | None:
    """Sign a browser in, as `begun` does."""
    begins = begun(email, password, tokens.open_session, lifetime=lifetime, demo=demo, counters=counters)
    return begins if isinstance(begins, Awaited) else _person(begins)


def begun(
    email: str, password: str, opens: Opens[T], *, lifetime: Lifetime, demo: bool, counters: Sequence[Counter] = ()
) -> T | Awaited | None:
    """Check the password, and open a session unless a second factor is needed: see `proved`.

    None for an unknown address, a wrong password, or somebody who may not sign in, always after the same work, so that
    neither the message nor the time reveals which it was. RateLimited, without a check, if a counter is full; success
    takes the attempt back. The demo's password works only in demos.
    """
    with acting_as(SYSTEM):
        person = db.session.execute(queries.by_email(lookup_email(email))).first()
        better = _checked(person, password, demo=demo, counters=counters)
        if person is None or better is None:
            return None
        if person.has_two_factor:
            _half_way(person, better, counters)
            return Awaited(person.id, _fingerprint(better or person.password))
        return _open(person, better, opens, lifetime=lifetime, counters=counters)


def _checked(person: Row[Any] | None, password: str, *, demo: bool, counters: Sequence[Counter]) -> str | None:
    """None unless the password is right; else a stronger hash of it, or an empty string if none is needed."""
    db.session.rollback()  # don't hold a connection during the check, which takes a quarter of a second
    _attempt(person, counters)
    verdict = passwords.verify(password, person.password if person else None)
    if person is None or not verdict.right or (passwords.is_demo(password) and not demo):
        _record_failure(SIGN_IN_FAILED, person)
        return None
    return passwords.hash_password(password) if verdict.outdated else ""


def _attempt(person: Row[Any] | None, counters: Sequence[Counter]) -> None:
    try:
        rate_limit.attempt(*counters)
    except RateLimited:
        _record_failure(RATE_LIMITED, person)
        raise


@command
def _half_way(person: Row[Any], better: str, counters: Sequence[Counter]) -> None:
    if better:
        rehash(person.id, person.password, better)
    rate_limit.forgive(counters)


def awaited(waiting: Awaited) -> Row[Any] | None:
    """The person whose second factor is missing, if their password is still valid and they may sign in."""
    with acting_as(SYSTEM):
        person = db.session.execute(queries.by_id(waiting.user_id)).first()
    return person if person and hmac.compare_digest(_fingerprint(person.password), waiting.password) else None


def finish_sign_in(person: Row[Any], verify: Verifier, *, lifetime: Lifetime, counter: Counter) -> SignedIn | None:
    """Sign the browser of somebody `awaited` in, as `proved` does."""
    return _person(proved(person, verify, tokens.open_session, lifetime=lifetime, counter=counter))


def proved(person: Row[Any], verify: Verifier, opens: Opens[T], *, lifetime: Lifetime, counter: Counter) -> T | None:
    """Sign in somebody `awaited`, if the second factor is right; else None. RateLimited as above."""
    with acting_as(SYSTEM):
        _attempt(person, [counter])
        shown = verify(person.id)
        if shown is None:
            _record_failure(TWO_FACTOR_FAILED, person)
            return None
        return _open(person, None, opens, lifetime=lifetime, counters=[counter], shown=shown)


def sign_in_with_passkey(
    answer: Answer | None, *, lifetime: Lifetime, counters: Sequence[Counter] = ()
) -> SignedIn | None:
    """Sign in with a passkey alone, whose device verified its user. None, RateLimited."""
    with acting_as(SYSTEM):
        _attempt(None, counters)
        owner = mfa.use_passkey(answer)
        person = db.session.execute(queries.by_id(owner)).first() if owner else None
        if person is None:
            _record_failure(SIGN_IN_FAILED, None)
            return None
        shown = PASSKEY
        return _person(_open(person, None, tokens.open_session, lifetime=lifetime, counters=counters, shown=shown))


def _person(token: str | None) -> SignedIn | None:
    with acting_as(SYSTEM):
        return signed_in(token) if token else None


def _fingerprint(stored: str | None) -> str:
    """A keyed digest of a password's hash, which reveals nothing to readers of the cookie."""
    settings = current_settings()
    return hmac.digest(settings.secret_key.encode(), f"awaited {stored}".encode(), hashlib.sha256).hex()


@command
def _open(
    person: Row[Any],
    better: str | None,
    opens: Opens[T],
    *,
    lifetime: Lifetime,
    counters: Sequence[Counter],
    shown: str | None = None,
) -> T | None:
    """Open the session, unless the password was changed since it was read, which ended all sessions."""
    unchanged = queries.with_password(person.id, person.password).with_for_update(of=User, key_share=True)
    if db.session.scalar(unchanged) is None:
        return None
    if better:
        rehash(person.id, person.password, better)
    rate_limit.forgive(counters)
    note_sign_in(actor_of(person), shown)
    if shown == CODE:
        send_later("recovery_code_used", person.id)
    count_sign_in(SIGN_IN.name)
    return opens(person.id, person.organization_id, lifetime=lifetime)


def note_sign_in(person: Actor, shown: str | None = None) -> None:
    """Record that somebody signs in, and their second factor, inside the command that opens the session."""
    details = {MEANS: shown} if shown else None
    history.record(SIGN_IN, by=person, about=person.id, details=details)
    here = update(User).where(User.id == person.id).values(last_sign_in_at=now())
    db.session.execute(here, execution_options={"synchronize_session": False})


def is_own_password(person: SignedIn, password: str, counter: Counter) -> bool:
    """Check the current password of a person who is signed in. RateLimited."""
    if person.id is None:
        return False
    stored = stored_password(person.id)
    try:
        with acting_as(SYSTEM):
            rate_limit.attempt(counter)
    except RateLimited:
        history.record(RATE_LIMITED, about=person.id)
        raise
    db.session.rollback()  # don't hold a connection during the check
    if not passwords.verify(password, stored).right:
        return False
    with acting_as(SYSTEM):
        rate_limit.forgive([counter])
    return True


def reauthenticate(person: SignedIn, password: str, counter: Counter) -> bool:
    """Check a person's own password, and mark their session as authenticated just now. RateLimited."""
    if not is_own_password(person, password, counter):
        return False
    with acting_as(SYSTEM):
        tokens.reauthenticated(person.session_id)
    return True


def _record_failure(action: Action, person: Row[Any] | None) -> None:
    """Record a failed attempt, with the same work for unknown addresses. Tenants don't see those of SUPER_ADMINs."""
    count_sign_in(action.name)
    about, tenant = (person.id, actor_of(person).seen_by) if person else (None, None)
    history.record(action, about=about, tenant=tenant)


def actor_of(person: Row[Any]) -> Actor:
    return Actor(person.id, person.role, person.organization_id)


def signed_in(token: str) -> SignedIn | None:
    """The person of a session, with current values from the database. Using the session extends it."""
    row = db.session.execute(queries.by_token(token)).first()
    if row is None:
        return None
    if now() - row.used_at > NOTED_EVERY:
        _note_use(row.session_id, row.used_at)
    return person_of(row, token)


def person_of(row: Row[Any], token: str) -> SignedIn:
    """The person of a row of queries.PERSON and queries.SIGN_IN."""
    return SignedIn(
        actor=actor_of(row),
        token=token,
        name=full_name(row.first_name, row.last_name, row.email),
        first_name=row.first_name or "",
        time_zone=row.time_zone,
        email=row.email,
        organization_name=row.organization_name,
        must_change_password=row.must_change_password,
        has_two_factor=row.has_two_factor,
        session_id=row.session_id,
        is_kept=row.is_kept,
        authenticated_at=row.authenticated_at,
    )


def _note_use(session_id: uuid.UUID, seen: datetime) -> None:
    """Extend the session; failing to write doesn't keep anybody from reading."""
    try:
        tokens.use(session_id, seen)
    except (DBAPIError, Busy, NotAllowed) as error:
        log.warning("the use of a session could not be recorded: %s", type(error.__cause__ or error).__name__)


def sign_out(person: SignedIn) -> None:
    """End the session on the server."""
    with acting_as(SYSTEM):
        _close(person)


@command
def _close(person: SignedIn) -> None:
    tokens.revoke(person.token)
    history.record(SIGN_OUT, by=person.actor, about=person.id)


def sign_in_anew(person: SignedIn, *, lifetime: Lifetime) -> SignedIn | None:
    """Open a new session for somebody who has just changed their password."""
    if person.id is None:
        return None
    with acting_as(SYSTEM):
        return signed_in(tokens.open_session(person.id, person.organization_id, lifetime=lifetime))
