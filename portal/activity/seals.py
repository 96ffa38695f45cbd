"""Detect tampering with the history: seal it with a key that the database does not store (portal/sql/activity)."""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from psycopg import errors as pg
from sqlalchemy import Row, column, func, select, table
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from portal.config import Settings
from portal.core.actor import SYSTEM
from portal.core.checks import Check, CheckFailed, Gauge
from portal.core.clock import now
from portal.core.counts import number_of
from portal.core.db import acting_as, command, db, without_time_limit
from portal.core.history import Activity
from portal.web.given import current_settings

BATCH = 100_000
LABEL = b"portal: seals of the history"
LATE = timedelta(minutes=15)  # events normally wait no longer than that

SEALS = table(
    "activity_seals",
    column("id"),
    column("sealed_at"),
    column("last"),
    column("digest"),
    column("last_id"),
)
LEAVES = table("activity_leaves", column("position"), column("activity_id"))

# Why the database refuses to seal, and what to do about it.
REFUSALS = {
    "key unknown": "the newest seal was made with an unknown key: add the former SECRET_KEY or"
    " PORTAL_SEAL_KEY to SECRET_KEY_FALLBACKS.",
    "seal changed": "a seal was changed: run `flask activity verify`.",
    "seal missing": "sealed events follow the newest seal, so seals were removed: run `flask activity verify`.",
    "prune event missing": "pruning left no event, so triggers are missing or disabled: run `flask doctor`.",
}

log = logging.getLogger("portal")


class SealRefused(Exception):
    """The chain of seals can't be verified, so no new seal is added. The message says why and what to do."""


@dataclass(frozen=True)
class Seal:
    """A seal of everything up to `position`, with a digest of all of it."""

    number: int
    position: int
    digest: str

    def __str__(self) -> str:
        return f"Seal {self.number} ends at position {self.position}, digest {self.digest}"


@dataclass(frozen=True)
class Doubt:
    """A difference from what was sealed, at a position of the chain, or an event without one."""

    trouble: str
    position: int | None
    event: Row[Any] | None


@dataclass(frozen=True)
class Outdated:
    """Events that retention removes: how many, and from when to when."""

    events: int
    oldest: datetime
    newest: datetime


def keys(settings: Settings) -> list[bytes]:
    """The current key, then the former ones, which verify old seals."""
    chosen = (settings.seal_key, settings.secret_key, *settings.secret_key_fallbacks)
    return [derived(secret) for secret in chosen if secret]


def derived(secret: str) -> bytes:
    """Derive a key from a secret of the configuration."""
    return hmac.digest(secret.encode(), LABEL, "sha256")


def _keys() -> list[bytes]:
    return keys(current_settings())


def seal(*, is_forced: bool = False) -> int | None:
    """Seal new events, one batch per transaction. Return how many; None while another process is sealing.

    Raise SealRefused if the newest seal can't be verified, unless forced.
    """
    _gather()
    total = 0
    try:
        while (sealed := _seal_batch(is_forced)) == BATCH:
            total += sealed
    except SealRefused as refused:
        log.error("the history was not sealed: %s", refused)  # noqa: TRY400 -- a traceback adds nothing
        raise
    return None if sealed is None else total + sealed


@command
def _gather() -> None:
    """Turn counted repeats into events. A transaction that seals must not write anything else first."""
    db.session.execute(select(func.portal_gather_repeats()))


def _seal_batch(is_forced: bool) -> int | None:
    with _refusing():
        made = _seal(_keys(), is_forced)
    if made is None:
        return None
    sealed, newest = made
    if newest:
        log.info("sealed %s events of the history. %s", sealed, newest)
    return sealed


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn the database's refusal into SealRefused, with a one-sentence message."""
    try:
        yield
    except DBAPIError as error:
        refusal = isinstance(error.orig, pg.DataCorrupted) and REFUSALS.get(error.orig.diag.message_primary or "")
        if not refusal:
            raise
        raise SealRefused(refusal) from error


@command
def _seal(keys: list[bytes], is_forced: bool) -> tuple[int, Seal | None] | None:
    """Seal a batch: how many events, and their seal. None while another process is sealing."""
    if not db.session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext("portal_seal_activity")))):
        return None
    made = func.portal_seal_activity(keys, BATCH, None, is_forced).table_valued("sealed", "seal", "upto", "digest")
    with without_time_limit():
        row = db.session.execute(select(made)).first()
    return (row.sealed, Seal(row.seal, row.upto, row.digest.hex())) if row else (0, None)


def head() -> Seal | None:
    """The newest seal."""
    newest = select(SEALS.c.id, SEALS.c.last, SEALS.c.digest).order_by(SEALS.c.id.desc()).limit(1)
    row = db.session.execute(newest).first()
    return Seal(row.id, row.last, row.digest.hex()) if row else None


def holds(digest: str) -> bool:
    """Whether a seal with this digest is in the chain. If not, it was removed."""
    return db.session.scalar(select(SEALS.c.id).where(SEALS.c.digest == bytes.fromhex(digest))) is not None


@command
def doubts() -> list[Doubt]:
    """All differences from what was sealed, in the order of the chain."""
    found = func.portal_verify_activity(_keys()).table_valued("trouble", "event_id", "at_position")
    at = func.to_char(Activity.at, "YYYY-MM-DD HH24:MI:SS").label("at")  # as it is now
    event = (Activity.id, at, Activity.action, Activity.table_name, Activity.row_id)
    order = (found.c.at_position, found.c.event_id, found.c.trouble)
    wanted = select(found, *event).outerjoin(Activity, Activity.id == found.c.event_id).order_by(*order)
    with without_time_limit():
        rows = db.session.execute(wanted).all()
    return [Doubt(row.trouble, row.at_position, row if row.event_id is not None else None) for row in rows]


@command
def unsealed() -> tuple[int, datetime | None]:
    """How many events aren't sealed yet, and the time of the oldest."""
    waiting = func.portal_unsealed_activity().table_valued("events", "since")
    with without_time_limit():
        row = db.session.execute(select(waiting)).one()
    return row.events, row.since


def refusal() -> str | None:
    """Why the next seal would be refused; None if it would not."""
    trouble = db.session.scalar(select(column("trouble")).select_from(func.portal_newest_seal(_keys())))
    return REFUSALS[trouble] if trouble else None


def check_seals() -> str:
    """Check that the history is sealed in time, and that the next seal can build on the newest."""
    newest, (waiting, since) = head(), unsealed()
    if refused := refusal():
        raise CheckFailed(f"nothing can be sealed because {refused}")
    seconds = current_settings().seal_seconds
    if since and now() - since > max(LATE, timedelta(seconds=10 * seconds)):
        raise CheckFailed(
            f"{number_of(waiting, 'event')} not sealed, the oldest from {since:%Y-%m-%d %H:%M} UTC."
            " Is the portal running? Run `flask activity seal` to seal now; with gunicorn, run it from a timer."
        )
    newest_seal = f"the newest is {newest.number}" if newest else "none yet"
    return f"{newest_seal}, {number_of(waiting, 'event')} waiting"


CHECKS = (Check("seals of the history", check_seals),)


def lag() -> float:
    """How many seconds the oldest event since the newest seal has waited. Cheap enough to read often."""
    sealed = select(SEALS.c.last_id).order_by(SEALS.c.id.desc()).limit(1).scalar_subquery()
    waiting = select(func.min(Activity.at)).where(Activity.id > func.coalesce(sealed, 0))
    since = db.session.scalar(waiting)
    return max((now() - since).total_seconds(), 0) if since else 0


GAUGES = (Gauge("portal_seal_lag_seconds", "How long the oldest unsealed event has waited.", lag),)


@command
def outdated(days: int) -> Outdated | None:
    """Events older than so many days, in seals that are older as a whole."""
    upto = select(func.max(SEALS.c.last)).where(SEALS.c.sealed_at < _before(days)).scalar_subquery()
    sealed = select(func.count(), func.min(Activity.at), func.max(Activity.at))
    wanted = sealed.join(LEAVES, LEAVES.c.activity_id == Activity.id).where(LEAVES.c.position <= upto)
    with without_time_limit():
        events, oldest, newest = db.session.execute(wanted).one()
    return Outdated(events, oldest, newest) if events else None


def prune(days: int) -> int:
    """Prune outdated events, and record that. Return how many. Raise SealRefused as `seal` does."""
    with _refusing():
        return _prune(days)


@command
def _prune(days: int) -> int:
    with without_time_limit():
        return db.session.scalar(select(func.portal_prune_activity(_keys(), _before(days)))) or 0


def _before(days: int) -> datetime:
    return now() - timedelta(days=days)


def seal_regularly(app: Flask) -> None:
    """Seal in a thread of this process, at once and then regularly, until the process ends."""
    seconds = current_settings.of(app).seal_seconds
    if seconds:
        threading.Thread(target=seal_at, args=(app, _ticks(seconds)), name="seals", daemon=True).start()


def seal_at(app: Flask, ticks: Iterable[None]) -> None:
    """Seal at each tick. Failures are logged, and the next tick tries again."""
    for _ in ticks:
        try:
            with app.app_context(), acting_as(SYSTEM):
                seal()
        except SealRefused:  # `seal` logged it
            continue
        except SQLAlchemyError as error:  # the database is unavailable, or not migrated yet
            log.warning("the history was not sealed: %s", type(error).__name__)
        except Exception:
            log.exception("the history was not sealed")


def _ticks(seconds: float) -> Iterator[None]:
    """Now, and after each pause."""
    pause = threading.Event()
    while True:
        yield
        pause.wait(seconds)
