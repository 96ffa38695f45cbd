"""Process each request with an Idempotency-Key only once, even if it is repeated.

Stored responses are encrypted under a key derived from SECRET_KEY, the client's key and the body. The database contains
only digests of the latter two, so that even readers of database and SECRET_KEY can't read the tokens in a response.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography.fernet import Fernet
from flask import Response, request
from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from portal.api.limits import KEY, LONGEST_KEY
from portal.api.models import IdempotencyKey
from portal.core.actor import SYSTEM
from portal.core.clock import now
from portal.core.db import acting_as, command, db
from portal.core.retention import in_batches
from portal.web.given import current_settings
from portal.web.problems import problem

HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
LONGEST_WORK = timedelta(minutes=1)  # after this time, the process that worked on it is considered dead
REMOVED_AT_ONCE, PRUNED_AT_ONCE = 100, 10_000
NO_SYNC = {"synchronize_session": False}


def once(caller: str, work: Callable[[], Response], *, is_valid: Callable[[], bool] = lambda: True) -> Response:
    """The response of `work`, or the stored one for the same caller, key and body, while it `is_valid`.

    Only successful responses are stored: an error changes nothing, so a repeated request may succeed.
    """
    name = request.headers.get(HEADER)
    if name is None:
        return work()
    if len(name) > LONGEST_KEY or not KEY.fullmatch(name):
        return problem(400, f"{HEADER} must be 1 to {LONGEST_KEY} visible ASCII characters.")
    key, fingerprint = _digest("key", request.path, caller, name), _digest("body", request.get_data())
    with acting_as(SYSTEM):
        found = _begin(key, fingerprint)
    if found is None:
        return _worked(key, name, work)
    if not hmac.compare_digest(found.fingerprint, fingerprint):
        return problem(422, f"This {HEADER} was sent with another body.", code="key_reused")
    if found.answer is None:
        return problem(409, "The first request with this key is still being processed.", code="in_flight")
    return _replayed(Fernet(_secret(name)).decrypt(found.answer)) if is_valid() else work()


def _worked(key: bytes, name: str, work: Callable[[], Response]) -> Response:
    answer = None
    try:
        response = work()
        if response.status_code < 300:
            stored = json.dumps([response.status_code, response.get_data(as_text=True)])
            answer = Fernet(_secret(name)).encrypt(stored.encode())
        return response
    finally:
        with acting_as(SYSTEM):
            _end(key, answer)


def _replayed(stored: bytes) -> Response:
    status, body = json.loads(stored)
    response = Response(body, status, mimetype="application/json")
    response.headers["Idempotency-Replayed"] = "true"
    return response


@command
def _begin(key: bytes, fingerprint: bytes) -> IdempotencyKey | None:
    """None if the caller has to process the request, else its row. One statement decides between concurrent ones."""
    at = now()
    _remove(at - KEPT, REMOVED_AT_ONCE)
    is_abandoned = IdempotencyKey.answer.is_(None) & (IdempotencyKey.created_at < at - LONGEST_WORK)
    values = {"fingerprint": fingerprint, "answer": None, "created_at": at}
    taken = (
        insert(IdempotencyKey)
        .values(key=key, **values)
        .on_conflict_do_update(
            index_elements=[IdempotencyKey.key],
            set_=values,
            where=or_(IdempotencyKey.created_at < at - KEPT, is_abandoned),
        )
        .returning(IdempotencyKey.key)
    )
    if db.session.scalar(taken) is not None:
        return None
    return db.session.scalars(select(IdempotencyKey).where(IdempotencyKey.key == key)).one()


@command
def _end(key: bytes, answer: bytes | None) -> None:
    own = IdempotencyKey.key == key
    ended = update(IdempotencyKey).where(own).values(answer=answer) if answer else delete(IdempotencyKey).where(own)
    db.session.execute(ended, execution_options=NO_SYNC)


def prune(before: datetime) -> int:
    """Remove responses that were stored earlier than `before`. Returns how many."""
    return in_batches(lambda: command(_remove)(before, PRUNED_AT_ONCE))


def _remove(before: datetime, most: int) -> int:
    stale = IdempotencyKey.created_at < before
    old = select(IdempotencyKey.key).where(stale).order_by(IdempotencyKey.created_at).limit(most)
    ended = delete(IdempotencyKey).where(IdempotencyKey.key.in_(old.with_for_update(skip_locked=True)))
    return len(db.session.scalars(ended.returning(IdempotencyKey.key), execution_options=NO_SYNC).all())


def _secret(name: str) -> bytes:
    return base64.urlsafe_b64encode(_digest("answer", name, request.get_data()))


def _digest(*parts: str | bytes) -> bytes:
    settings = current_settings()
    written = b"".join(
        len(raw).to_bytes(4) + raw for raw in (part if isinstance(part, bytes) else part.encode() for part in parts)
    )
    return hmac.digest(settings.secret_key.encode(), b"idempotency" + written, hashlib.sha256)
