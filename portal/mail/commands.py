"""How does a letter get on its way?"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import delete, func, select

from portal.core.db import command, db
from portal.core.leftovers import again_and_again
from portal.mail.models import JOBS, KeptLetter
from portal.mail.queries import given_up

KINDS = frozenset(
    {
        "invitation",
        "password_reset",
        "verification",
        "replay",
        "password_changed",
        "email_changed",
        "second_factor_added",
        "second_factor_removed",
        "second_factor_reset",
        "recovery_codes_renewed",
        "recovery_code_used",
    }
)

REMOVED_AT_ONCE = 10_000


@command
def send_later(kind: str, user_id: uuid.UUID) -> None:
    """Have a letter of this kind written and sent to a person, if the transaction of the caller is committed.

    Of a changed address the job names the event too, which knows the former one.
    """
    if kind not in KINDS:
        raise ValueError(f"there is no letter of the kind {kind}")
    db.session.flush()
    db.session.execute(select(func.portal_send_later(kind, user_id)))


def remove_kept(before: datetime) -> int:
    """What the demo's outbox kept before then."""
    return again_and_again(lambda: _remove_kept(before))


@command
def _remove_kept(before: datetime) -> int:
    old = select(KeptLetter.id).where(KeptLetter.kept_at < before).limit(REMOVED_AT_ONCE)
    gone = delete(KeptLetter).where(KeptLetter.id.in_(old)).returning(KeptLetter.id)
    return len(db.session.scalars(gone, execution_options={"synchronize_session": False}).all())


def remove_given_up(before: datetime) -> int:
    """Jobs of letters that were given up before then."""
    return again_and_again(lambda: _remove_given_up(before))


@command
def _remove_given_up(before: datetime) -> int:
    db.session.execute(select(func.set_config("search_path", "queue, public", True)))  # its triggers name no schema
    old = given_up(before).limit(REMOVED_AT_ONCE)
    return len(db.session.execute(delete(JOBS).where(JOBS.c.id.in_(old)).returning(JOBS.c.id)).all())
