"""What is a sign-in?"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.actor import Actor, Role
from portal.core.models import Base, Keyed, TenantOwned


def digest(token: str) -> str:
    """SHA-256 of a token, in hexadecimal: all that is ever stored of it."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


class RefreshToken(Keyed, TenantOwned, Base):
    """One sign-in of one person. Tokens that follow one another by rotation share a family."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("refresh_tokens_token_key", "token", unique=True),
        Index("refresh_tokens_user_id_idx", "user_id"),
        Index("refresh_tokens_organization_id_idx", "organization_id"),
        Index("refresh_tokens_family_id_idx", "family_id"),
    )

    token: Mapped[str]
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE", onupdate="CASCADE"))
    organization_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("organizations.id", ondelete="SET NULL", onupdate="CASCADE")
    )
    family_id: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        if actor.role is Role.ADMIN and actor.organization_id is not None:
            return cls.organization_id == actor.organization_id
        return cls.user_id == actor.id

    @classmethod
    def behind_wall(cls) -> str:
        return "EXISTS (SELECT FROM users WHERE users.id = user_id)"  # the sign-ins of whom the wall lets be seen

    def is_writable_by(self, actor: Actor) -> bool:
        return self.user_id == actor.id or super().is_writable_by(actor)
