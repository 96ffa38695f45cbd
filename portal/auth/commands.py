"""Sign people in and out."""

from __future__ import annotations

import hashlib
import hmac
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from sqlalchemy import Row, update
from sqlalchemy.exc import DBAPIError

from portal.auth import queries, viewing
from portal.auth.actions import RATE_LIMITED, SIGN_IN, SIGN_IN_FAILED, SIGN_OUT, TWO_FACTOR_FAILED
from portal.core import history, rate_limit
from portal.core.actions import Action
from portal.core.actor import SYSTEM, Actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db, first_as_system
from portal.core.email_addresses import lookup_email
from portal.core.errors import Busy, NotAllowed, RateLimited
from portal.core.rate_limit import Counter
from portal.mail.commands import send_later
from portal.mfa import commands as mfa
from portal.mfa.passkeys import Answer
from portal.mfa.words import CODE, MEANS, PASSKEY
from portal.organizations.settings import may_invite, needs_two_factor
from portal.tokens import commands as tokens
from portal.tokens.commands import Lifetime
from portal.tokens.models import digest
from portal.users import passwords
from portal.users.commands import rehash, stored_password
from portal.users.growth import add_sign_in
from portal.users.models import User, full_name
from portal.web.given import current_settings
from portal.web.guards import required_step
from portal.web.observing import count_sign_in
from portal.web.session import ListView, SignedIn

log = logging.getLogger("portal")

USE_RECORDED_EVERY = timedelta(minutes=1)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Opens(Protocol[T_co]):
    """Opens a session: a browser's, or an API client's."""

    def __call__(self, user_id: uuid.UUID, organization_id: uuid.UUID | None, /, *, lifetime: Lifetime) -> T_co: ...


@dataclass(frozen=True)
class Awaited:
    """A person who entered the correct password, but not yet the second factor."""

    user_id: uuid.UUID
    password: str  # a fingerprint of its hash, so that changing the password invalidates this


Verifier = Callable[[uuid.UUID], str | None]  # names the second factor that the person used; None if it was wrong


def sign_in(
    email: str, password: str, *, lifetime: Lifetime, demo: bool, counters: Sequence[Counter] = ()
) -> SignedIn | Awaited | None:
    """Sign in a browser: see `begun`."""
    begins = begun(email, password, tokens.open_session, lifetime=lifetime, demo=demo, counters=counters)
    return begins if isinstance(begins, Awaited) else _person(begins)


def begun(
    email: str, password: str, opens: Opens[T], *, lifetime: Lifetime, demo: bool, counters: Sequence[Counter] = ()
) -> T | Awaited | None:
    """Check the password, and open a session unless a second factor is needed: see `proved`.

    None for an unknown address, a wrong password, or a person who can't sign in. All three do the same work, so that
    neither message nor time reveals the reason. Raises RateLimited, without a check, if a counter is full; success
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
    """None if the password is wrong, else a stronger hash of it, or an empty string if none is needed."""
    db.session.rollback()  # don't hold a connection during the check, which takes a quarter of a second
    _attempt(person, counters)
    verdict = passwords.verify(password, person.password if person else None)
    if person is None or not verdict.correct or (passwords.is_demo(password) and not demo):
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
    """The person whose second factor is missing, if the password is still valid and they can sign in."""
    with acting_as(SYSTEM):
        person = db.session.execute(queries.by_id(waiting.user_id)).first()
    return person if person and hmac.compare_digest(_fingerprint(person.password), waiting.password) else None


def finish_sign_in(person: Row[Any], verify: Verifier, *, lifetime: Lifetime, counter: Counter) -> SignedIn | None:
    """Sign in the browser of an `awaited` person: see `proved`."""
    return _person(proved(person, verify, tokens.open_session, lifetime=lifetime, counter=counter))


def proved(person: Row[Any], verify: Verifier, opens: Opens[T], *, lifetime: Lifetime, counter: Counter) -> T | None:
    """Open a session for an `awaited` person, or return None if the second factor is wrong. Raises RateLimited."""
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
    """Sign in with only a passkey, whose device verified its user. None if it is invalid. Raises RateLimited."""
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
    """A keyed digest of a password's hash. It reveals nothing to readers of the cookie."""
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
    """Open the session, unless the password was changed in the meantime, which ended all sessions."""
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
    """Record a sign-in and its second factor, inside the command that opens the session."""
    details = {MEANS: shown} if shown else None
    history.record(SIGN_IN, by=person, about=person.id, details=details)
    add_sign_in(person.seen_by)
    here = update(User).where(User.id == person.id).values(last_sign_in_at=now())
    db.session.execute(here, execution_options={"synchronize_session": False})


def is_own_password(person: SignedIn, password: str, counter: Counter) -> bool:
    """Check the current password of a signed-in person. Raises RateLimited."""
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
    if not passwords.verify(password, stored).correct:
        return False
    with acting_as(SYSTEM):
        rate_limit.forgive([counter])
    return True


def reauthenticate(person: SignedIn, password: str, counter: Counter) -> bool:
    """Check a person's own password, and mark their session as just authenticated. Raises RateLimited."""
    if not is_own_password(person, password, counter):
        return False
    with acting_as(SYSTEM):
        tokens.reauthenticated(person.session_id)
    return True


def _record_failure(action: Action, person: Row[Any] | None) -> None:
    """Record a failed attempt, with the same work for unknown addresses. Tenants see none of SUPER_ADMINs."""
    count_sign_in(action.name)
    about, tenant = (person.id, actor_of(person).seen_by) if person else (None, None)
    history.record(action, about=about, tenant=tenant)


def actor_of(person: Row[Any]) -> Actor:
    """The person as an actor, restricted by the settings of their organization."""
    invites = may_invite(person.role, person.inviters, has_two_factor=person.has_two_factor)
    return Actor(person.id, person.role, person.organization_id, invites)


def signed_in(token: str) -> SignedIn | None:
    """The session's person, with current values from the database. Each use extends the session."""
    row = first_as_system(queries.by_token(), token=digest(token))
    if row is None:
        return None
    if now() - row.used_at > USE_RECORDED_EVERY:
        _note_use(row.session_id, row.used_at)
    person = person_of(row, token)
    return person if row.viewed_id is None else _viewing(person, row.viewing_access)


def _viewing(viewer: SignedIn, access: str) -> SignedIn:
    """The person that the viewer views the portal as; the viewer, once that has ended or they must do something."""
    row = first_as_system(queries.by_viewing(), session_id=viewer.session_id)
    if row is None or required_step(viewer) or not viewing.is_valid(viewer.actor, actor_of(row), access):
        viewing.stop(viewer.session_id)
        return replace(viewer, has_stopped_viewing=True)
    person = person_of(row, viewer.token)
    viewer = replace(viewer, is_viewing=True)
    return replace(person, viewer=viewer, viewing_until=row.viewing_until, has_news=False)


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
        needs_two_factor=needs_two_factor(row.role, row.two_factor_for),
        has_news=row.has_news,
        lists=row.lists or {},
        views=tuple(ListView(*one) for one in row.views or ()),
        session_id=row.session_id,
        is_kept=row.is_kept,
        authenticated_at=row.authenticated_at,
    )


def _note_use(session_id: uuid.UUID, seen: datetime) -> None:
    """Extend the session. A failed write is only logged, so that pages can still be read."""
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
    if person.is_viewing:
        viewing.stop(person.session_id)
    tokens.revoke(person.token)
    history.record(SIGN_OUT, by=person.actor, about=person.id)


def sign_in_anew(person: SignedIn, *, lifetime: Lifetime) -> SignedIn | None:
    """Open a new session for a person who has just changed their password."""
    if person.id is None:
        return None
    with acting_as(SYSTEM):
        return signed_in(tokens.open_session(person.id, person.organization_id, lifetime=lifetime))
