"""The table of jobs."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.models import Base, Keyed, TenantOwned

STATES = ("waiting", "running", "done", "partly failed", "failed", "canceled")
OPEN = ("waiting", "running")
RETRIED = ("failed", "canceled")  # a retry continues after the last batch


class Job(Keyed, TenantOwned, Base):
    """A long task of one person. `done` items are behind it, of which `failed` failed: the next batch begins there.

    `organization_id` is the tenant that sees it: none sees those of SUPER_ADMINs.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="state"),
        Index("jobs_organization_id_idx", "organization_id", text("created_at DESC"), text("id DESC")),
        Index("jobs_created_at_idx", text("created_at DESC"), text("id DESC")),
        Index(
            "jobs_failed_idx",
            "organization_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("state IN ('failed', 'partly failed')"),
        ),
        Index("jobs_owner_id_idx", "owner_id"),
        Index("jobs_unannounced_idx", "owner_id", postgresql_where=text("NOT is_announced")),
    )

    organization_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str]
    title: Mapped[str]
    # Only the job's steps read them, and they may be large.
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"), deferred=True)
    state: Mapped[str] = mapped_column(default="waiting", server_default=text("'waiting'"))
    total: Mapped[int | None]
    done: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    failed: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    result: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'"))
    message: Mapped[str | None]  # why it failed
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    is_announced: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # to its owner

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    def advance(self, many: int, *, failed: int = 0) -> None:
        """Count these items as done, in the transaction of their batch."""
        self.done += many
        self.failed += failed
