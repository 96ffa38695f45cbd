"""The table of what people follow."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.models import Base, Keyed


class Follow(Keyed, Base):
    """A person follows an organization or another person. Their newest digest covers the period between two times."""

    __tablename__ = "follows"
    __table_args__ = (
        CheckConstraint("num_nonnulls(followed_organization_id, followed_person_id) = 1", name="followed"),
        Index(
            "follows_user_id_key",
            "user_id",
            "followed_organization_id",
            "followed_person_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index("follows_followed_organization_id_idx", "followed_organization_id"),
        Index("follows_followed_person_id_idx", "followed_person_id"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    followed_organization_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE")
    )
    followed_person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    digest_from: Mapped[datetime]
    digest_until: Mapped[datetime]

    @property
    def place(self) -> tuple[str, uuid.UUID]:
        """The table and the key of what is followed."""
        if self.followed_organization_id:
            return "organizations", self.followed_organization_id
        assert self.followed_person_id is not None  # noqa: S101 -- the constraint
        return "users", self.followed_person_id
