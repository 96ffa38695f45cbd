"""Follow organizations and people. Rows belong to the follower, and are read and written as the system.

What a follower may see is decided whenever a digest is written, not when they start to follow.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Select, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from portal.activity.models import Follow
from portal.core.actor import SYSTEM
from portal.core.clock import now
from portal.core.db import acting_as, command, db, read
from portal.core.errors import Missing
from portal.core.scoping import kept
from portal.mail.commands import send_later
from portal.mail.queries import waiting
from portal.users.links import url_of
from portal.web.given import current_settings

COLUMNS = {"organizations": Follow.followed_organization_id, "users": Follow.followed_person_id}  # by table
UNCHANGED = {"synchronize_session": False}


def of_person(user_id: uuid.UUID) -> Select[Follow]:
    return select(Follow).where(Follow.user_id == user_id).order_by(Follow.id)


def followed_by(user_id: uuid.UUID) -> Sequence[Follow]:
    with acting_as(SYSTEM):
        return db.session.scalars(of_person(user_id)).all()


def is_followed(user_id: uuid.UUID, table: str, row_id: uuid.UUID) -> bool:
    with acting_as(SYSTEM):
        return bool(read(_of_row(table), {"user_id": user_id, "row_id": row_id}))


@cache
def _of_row(table: str) -> Select[uuid.UUID]:
    own = Follow.user_id == bindparam("user_id"), COLUMNS[table] == bindparam("row_id")
    return kept(select(Follow.id).where(*own))


def follow(user_id: uuid.UUID, table: str, row_id: uuid.UUID) -> None:
    """Follow a row that the person may see. The first digest covers what happens from now on."""
    with acting_as(SYSTEM):
        _follow(user_id, table, row_id)


@command
def _follow(user_id: uuid.UUID, table: str, row_id: uuid.UUID) -> None:
    values = {"user_id": user_id, COLUMNS[table].key: row_id, "digest_from": now(), "digest_until": now()}
    db.session.execute(insert(Follow).values(values).on_conflict_do_nothing())


def unfollow(user_id: uuid.UUID, table: str, row_id: uuid.UUID) -> None:
    with acting_as(SYSTEM):
        _remove(user_id, table, row_id)


@command
def _remove(user_id: uuid.UUID, table: str, row_id: uuid.UUID) -> None:
    mine = Follow.user_id == user_id, COLUMNS[table] == row_id
    db.session.execute(delete(Follow).where(*mine), execution_options=UNCHANGED)


def unfollow_all(user_id: uuid.UUID) -> None:
    with acting_as(SYSTEM):
        _remove_all(user_id)


@command
def _remove_all(user_id: uuid.UUID) -> None:
    db.session.execute(delete(Follow).where(Follow.user_id == user_id), execution_options=UNCHANGED)


@command
def begin_digest(
    user_id: uuid.UUID, due: datetime, until: datetime, *, lost: Collection[uuid.UUID], has_news: bool
) -> None:
    """Begin the next period, and queue the email about the last one, in one transaction.

    Only one of several workers does so: the others wait, and find no row that is still due. An email that still
    waits for the mail server covers both periods. Call it as the system.
    """
    db.session.execute(delete(Follow).where(Follow.id.in_(lost)), execution_options=UNCHANGED)
    mine = Follow.user_id == user_id, Follow.digest_until < due
    is_late = db.session.scalar(waiting("digest", user_id).limit(1)) is not None
    begun = Follow.digest_from if is_late else Follow.digest_until
    ended = update(Follow).where(*mine).values(digest_from=begun, digest_until=until).returning(Follow.id)
    if db.session.scalars(ended, execution_options=UNCHANGED).all() and has_news and not is_late:
        send_later("digest", user_id)


def unsubscribe_url(user_id: uuid.UUID) -> str:
    """The URL that unsubscribes a person without signing in. Raises Conflict without PORTAL_URL."""
    return url_of("unsubscribing.unsubscribe", token=str(_signer().dumps(user_id.hex)))


def subscriber(token: str) -> uuid.UUID:
    """The person whose URL has this token. Raises Missing if it is forged."""
    try:
        return uuid.UUID(_signer().loads(token))
    except (BadData, ValueError, TypeError, AttributeError):
        raise Missing from None


def _signer() -> URLSafeSerializer:
    settings = current_settings()
    return URLSafeSerializer([*settings.secret_key_fallbacks, settings.secret_key], salt="unsubscribe")
