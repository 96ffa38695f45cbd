"""Tables of sessions and tokens."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta

from sqlalchemy import ARRAY, ColumnElement, Computed, ForeignKey, Index, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.actor import Actor, Role
from portal.core.models import Base, Keyed, TenantOwned


def digest(token: str) -> str:
    """SHA-256 of a token, in hexadecimal. The token itself is not stored."""
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


class OfPerson(TenantOwned):
    """A row of a person, which they and their administrators can see and end."""

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE", onupdate="CASCADE"))
    organization_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("organizations.id", ondelete="SET NULL", onupdate="CASCADE")
    )

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        if actor.role is Role.ADMIN and actor.organization_id is not None:
            return cls.organization_id == actor.organization_id
        return cls.user_id == actor.id

    @classmethod
    def row_policy(cls) -> str:
        return "EXISTS (SELECT FROM users WHERE users.id = user_id)"  # the policy of users decides

    def is_writable_by(self, actor: Actor) -> bool:
        return self.user_id == actor.id or super().is_writable_by(actor)


class Session(Keyed, OfPerson, Base):
    """A session: of a browser, identified by `token`, or of an API client, with refresh tokens.

    It lasts until `expires_at`, which use extends by `idle`, but never beyond `ends_at`. Until `viewing_until`, its
    person views the portal as `viewed_id`: see auth/viewing.py.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("sessions_token_key", "token", unique=True),
        Index("sessions_user_id_idx", "user_id"),
        Index("sessions_organization_id_idx", "organization_id"),
        Index("sessions_viewed_id_idx", "viewed_id", postgresql_where=text("viewed_id IS NOT NULL")),
    )

    token: Mapped[str | None] = mapped_column(deferred=True, deferred_raiseload=True)
    is_browser: Mapped[bool] = mapped_column(Computed("token IS NOT NULL", persisted=True))  # else an API client
    is_kept: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    address: Mapped[str] = mapped_column(server_default="")
    agent: Mapped[str] = mapped_column(server_default="")
    idle: Mapped[timedelta] = mapped_column(deferred=True, deferred_raiseload=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    authenticated_at: Mapped[datetime] = mapped_column(
        server_default=func.now()
    )  # when the person last entered their password
    used_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    viewed_id: Mapped[uuid.UUID | None] = mapped_column(
        deferred=True, deferred_raiseload=True
    )  # no foreign key: the session belongs to somebody else
    viewing_until: Mapped[datetime | None] = mapped_column(deferred=True, deferred_raiseload=True)
    viewing_access: Mapped[str | None] = mapped_column(
        deferred=True, deferred_raiseload=True
    )  # roles and organizations of both when it began


class RefreshToken(Keyed, OfPerson, Base):
    """A refresh token of an API client. Rotation replaces it with a new one in the same session."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("refresh_tokens_token_key", "token", unique=True),
        Index("refresh_tokens_user_id_idx", "user_id"),
        Index("refresh_tokens_organization_id_idx", "organization_id"),
        Index("refresh_tokens_session_id_idx", "session_id"),
        Index("refresh_tokens_unspent_key", "session_id", unique=True, postgresql_where=text("revoked_at IS NULL")),
    )

    token: Mapped[str]
    session_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), server_default=text("gen_random_uuid()")
    )
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]


class ApiToken(Keyed, OfPerson, Base):
    """A token that a person creates for a script. It never grants more than the person's own permissions."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        Index("api_tokens_token_key", "token", unique=True),
        Index("api_tokens_user_id_idx", "user_id"),
        Index("api_tokens_organization_id_idx", "organization_id"),
    )

    token: Mapped[str] = mapped_column(deferred=True, deferred_raiseload=True)
    name: Mapped[str]
    beginning: Mapped[str]  # of the token: enough to recognize it, too little to use it
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
