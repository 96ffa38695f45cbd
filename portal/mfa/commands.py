"""Add, verify and remove second factors. Everything runs as the system, because nobody else can read them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from portal.core import history
from portal.core.actions import Action
from portal.core.actor import SYSTEM, Actor, current_actor
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.errors import Conflict, Missing
from portal.core.keys import uuid7
from portal.mail.commands import send_later
from portal.mfa import ciphers, codes, passkeys, queries
from portal.mfa.actions import RECOVERY_CODES_RENEWED, TWO_FACTOR_ADDED, TWO_FACTOR_REMOVED
from portal.mfa.models import Authenticator, Passkey, RecoveryCode
from portal.mfa.passkeys import Answer, NewPasskey
from portal.mfa.words import APP, CODE, MEANS, PASSKEY

MOST_PASSKEYS = 10
WRONG_CODE = "This isn’t the app’s current code. Wait for the next one and enter its six digits."
NOT_FINISHED = "The passkey was not added. Try again."
NO_SYNC = {"synchronize_session": False}


@dataclass(frozen=True)
class Factors:
    """The second factors that a person has set up."""

    app: Authenticator | None
    passkeys: Sequence[Passkey]
    codes_left: int

    @property
    def exist(self) -> bool:
        return self.app is not None or bool(self.passkeys)

    @property
    def count(self) -> int:
        return len(self.passkeys) + (self.app is not None)


def methods_of(user_id: uuid.UUID) -> Factors:
    with acting_as(SYSTEM):
        return Factors(
            db.session.scalar(queries.authenticator_of(user_id)),
            db.session.scalars(queries.passkeys_of(user_id)).all(),
            db.session.scalar(queries.codes_left(user_id)) or 0,
        )


def add_authenticator(secret: str, typed: str) -> list[str]:
    """Set up the actor's authenticator app, replacing a former one. Raises Conflict if its code is wrong.

    If it is the first second factor, returns recovery codes, which are shown once.
    """
    step = codes.step_of(secret, typed)
    if step is None:
        raise Conflict("code", WRONG_CODE)
    person = current_actor()
    with acting_as(SYSTEM):
        return _add_authenticator(person, ciphers.encrypted(secret), step)


@command
def _add_authenticator(person: Actor, secret: str, step: int) -> list[str]:
    _wait_for(person.id)
    row = {"secret": secret, "last_step": step, "created_at": now(), "used_at": None}
    made = upsert(Authenticator).values(user_id=person.id, **row)
    db.session.execute(made.on_conflict_do_update(index_elements=[Authenticator.user_id], set_=row))
    return _added(person, APP)


def add_passkey(name: str, answer: Answer | None) -> list[str]:
    """Add a passkey for the actor. Raises Conflict if the browser's response is invalid. Returns as above."""
    made = passkeys.made(answer) if answer else None
    if made is None:
        raise Conflict(None, NOT_FINISHED)
    person = current_actor()
    with acting_as(SYSTEM):
        return _add_passkey(person, name, made)


@command
def _add_passkey(person: Actor, name: str, made: NewPasskey) -> list[str]:
    _wait_for(person.id)
    if len(db.session.scalars(queries.passkeys_of(_id(person))).all()) >= MOST_PASSKEYS:
        raise Conflict(None, f"You have {MOST_PASSKEYS} passkeys. Remove one first.")
    if db.session.scalar(queries.by_credential(made.credential_id)):
        raise Conflict(None, "This passkey is already in use.")
    row = {
        "id": uuid7(),
        "user_id": person.id,
        "name": name,
        "credential_id": made.credential_id,
        "public_key": made.public_key,
        "sign_count": made.sign_count,
        "created_at": now(),
    }
    db.session.execute(insert(Passkey), [row])
    return _added(person, f"{PASSKEY} {name}")


def _added(person: Actor, what: str) -> list[str]:
    _tell(TWO_FACTOR_ADDED, person, what)
    return [] if db.session.scalar(queries.codes_left(_id(person))) else _make_codes(_id(person))


def renew_codes() -> list[str]:
    """Replace the actor's recovery codes. Raises Missing without a second factor."""
    person = current_actor()
    with acting_as(SYSTEM):
        return _renew_codes(person)


@command
def _renew_codes(person: Actor) -> list[str]:
    _wait_for(person.id)
    if not db.session.scalar(select(queries.has_two_factor(person.id))):
        raise Missing
    _tell(RECOVERY_CODES_RENEWED, person)
    return _make_codes(_id(person))


def _make_codes(user_id: uuid.UUID) -> list[str]:
    _remove(RecoveryCode, RecoveryCode.user_id == user_id)
    made = codes.new_recovery_codes()
    db.session.execute(insert(RecoveryCode), [{"user_id": user_id, "code": codes.digest(one)} for one in made])
    return made


def remove(passkey_id: uuid.UUID | None, *, last: str | None = None) -> None:
    """Remove one of the actor's passkeys, or the app. Raises Missing if there is none.

    If `last` is given, the last second factor can't be removed: raises Conflict with this reason.
    """
    person = current_actor()
    with acting_as(SYSTEM):
        _remove_one(person, passkey_id, last)


@command
def _remove_one(person: Actor, passkey_id: uuid.UUID | None, last: str | None) -> None:
    _wait_for(person.id)
    if passkey_id is None:
        gone, what = _remove(Authenticator, Authenticator.user_id == person.id), APP
    else:
        own = (Passkey.id == passkey_id) & (Passkey.user_id == person.id)
        what = f"{PASSKEY} {db.session.scalar(select(Passkey.name).where(own))}"
        gone = _remove(Passkey, own)
    if not gone:
        raise Missing
    if not db.session.scalar(select(queries.has_two_factor(person.id))):
        if last:
            raise Conflict(None, last)
        _remove(RecoveryCode, RecoveryCode.user_id == person.id)
    _tell(TWO_FACTOR_REMOVED, person, what)


@command
def remove_all(user_id: uuid.UUID) -> bool:
    """Remove all second factors of a person, inside the caller's command. Returns whether there were any."""
    _wait_for(user_id)
    found = [_remove(table, table.user_id == user_id) for table in (Authenticator, Passkey, RecoveryCode)]
    return any(found)


@command
def use_code(user_id: uuid.UUID, typed: str) -> str | None:
    """Verify a code. Returns its kind, APP or CODE; None if it is wrong or was used before."""
    if _use_app(user_id, typed):
        return APP
    return CODE if _use_recovery_code(user_id, typed) else None


def _use_app(user_id: uuid.UUID, typed: str) -> bool:
    app = db.session.scalar(queries.authenticator_of(user_id))
    secret = ciphers.decrypted(app.secret) if app else None
    step = codes.step_of(secret, typed, after=app.last_step) if app and secret else None
    if secret is None or step is None:
        return False
    used = {"last_step": step, "used_at": now(), "secret": ciphers.encrypted(secret)}  # with the current key
    own = Authenticator.user_id == user_id
    return _changes(update(Authenticator).where(own, Authenticator.last_step < step).values(used))


def _use_recovery_code(user_id: uuid.UUID, typed: str) -> bool:
    own = RecoveryCode.user_id == user_id
    return _remove(RecoveryCode, own & (RecoveryCode.code == codes.digest(typed)))


@command
def use_passkey(answer: Answer | None, *, owner: uuid.UUID | None = None) -> uuid.UUID | None:
    """Verify a passkey's response. Returns its owner, who must be `owner` if given, or None if it is invalid."""
    credential = passkeys.credential_in(answer.credential) if answer else None
    passkey = db.session.scalar(queries.by_credential(credential)) if credential else None
    if answer is None or passkey is None or owner not in (None, passkey.user_id):
        return None
    count = passkeys.counted(answer, passkey, alone=owner is None)
    if count is None:
        return None
    same = (Passkey.id == passkey.id) & (Passkey.sign_count == passkey.sign_count)
    used = {"sign_count": count, "used_at": now()}
    return passkey.user_id if _changes(update(Passkey).where(same).values(used)) else None


def _wait_for(user_id: uuid.UUID | None) -> None:
    """Lock a person's second factors, so that concurrent changes agree on which is the first or last."""
    db.session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"factors {user_id}", 0))))


def _remove(table: type[Any], condition: ColumnElement[bool]) -> bool:
    return _changes(delete(table).where(condition))


def _changes(statement: Any) -> bool:
    result: Any = db.session.execute(statement, execution_options=NO_SYNC)
    return bool(result.rowcount)


def _tell(action: Action, person: Actor, what: str | None = None) -> None:
    """Record the change in the history, and queue an email."""
    details = {MEANS: what} if what else None
    history.record(action, by=person, about=person.id, tenant=person.seen_by, details=details)
    send_later(action.name, _id(person))


def _id(person: Actor) -> uuid.UUID:
    if person.id is None:
        raise Missing  # the system has no second factors
    return person.id
