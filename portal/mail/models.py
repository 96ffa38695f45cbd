"""The outbox, which contains the demo's emails, and the tables of the queue."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, Text, column, func, table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.models import Base, Keyed

# The columns that we read of procrastinate's tables (migration 0006_email_queue).
JOBS = table(
    "procrastinate_jobs",
    column("id"),
    column("queue_name"),
    column("status", Text),
    column("scheduled_at", DateTime(True)),
    column("args", JSONB),
    column("attempts"),
    schema="queue",
)
JOB_EVENTS = table("procrastinate_events", column("job_id"), column("at", DateTime(True)), schema="queue")
WORKERS = table("procrastinate_workers", column("last_heartbeat", DateTime(True)), schema="queue")


class OutboxEmail(Keyed, Base):
    """An email that would have been sent. The table is empty in production and with a mail server."""

    __tablename__ = "outbox_emails"
    __table_args__ = (
        Index("outbox_emails_kept_at_idx", "kept_at"),
        Index("outbox_emails_user_id_idx", "user_id"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE", onupdate="CASCADE"))
    recipient: Mapped[str]
    subject: Mapped[str]
    content: Mapped[str]
    link: Mapped[str | None]
    kept_at: Mapped[datetime] = mapped_column(server_default=func.now())
