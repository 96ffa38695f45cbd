"""Queue emails, and remove old ones."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, Uuid, cast, delete, func, select

from portal.core.db import command, db
from portal.core.retention import RetentionRule, in_batches
from portal.mail.models import JOBS, OutboxEmail
from portal.mail.queries import failed

KINDS = frozenset(
    {
        "invitation",
        "password_reset",
        "verification",
        "replay",
        "password_changed",
        "email_changed",
        "two_factor_added",
        "two_factor_removed",
        "two_factor_reset",
        "recovery_codes_renewed",
        "recovery_code_used",
        "digest",
        "inactivity_warning",
    }
)

REMOVED_AT_ONCE = 10_000


@command
def send_later(kind: str, user_id: uuid.UUID) -> None:
    """Queue an email of this kind to a person. It is sent only if the caller's transaction commits.

    After a change of address, the job also contains the event's id, because the event contains the former address.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of email: {kind}")
    db.session.flush()
    db.session.execute(select(func.portal_send_later(kind, user_id)))


@command
def send_to_all_later(kind: str, user_ids: Collection[uuid.UUID]) -> None:
    """`send_later` to many people."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of email: {kind}")
    person = func.unnest(cast(list(user_ids), ARRAY(Uuid()))).column_valued("person")
    db.session.execute(select(func.portal_send_later(kind, person)))


def remove_kept(before: datetime) -> int:
    """Remove emails that were put into the outbox earlier than `before`."""
    return in_batches(lambda: _remove_kept(before))


@command
def _remove_kept(before: datetime) -> int:
    old = select(OutboxEmail.id).where(OutboxEmail.kept_at < before).limit(REMOVED_AT_ONCE)
    gone = delete(OutboxEmail).where(OutboxEmail.id.in_(old)).returning(OutboxEmail.id)
    return len(db.session.scalars(gone, execution_options={"synchronize_session": False}).all())


def remove_failed(before: datetime) -> int:
    """Remove jobs of emails that failed earlier than `before`."""
    return in_batches(lambda: _remove_failed(before))


@command
def _remove_failed(before: datetime) -> int:
    db.session.execute(
        select(func.set_config("search_path", "queue, public", True))
    )  # its triggers use names without a schema
    old = failed(before).limit(REMOVED_AT_ONCE)
    return len(db.session.execute(delete(JOBS).where(JOBS.c.id.in_(old)).returning(JOBS.c.id)).all())


RETENTION = (
    RetentionRule("emails in the outbox", lambda one: timedelta(days=one.keep_emails_days), remove_kept),
    RetentionRule("emails that could not be sent", lambda one: timedelta(days=one.keep_emails_days), remove_failed),
)
