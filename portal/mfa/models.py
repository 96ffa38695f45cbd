"""Tables of second factors. Only the system can read them."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.models import Base, Keyed


class Authenticator(Base):
    """A person's authenticator app (RFC 6238). The secret is encrypted; each time step works once."""

    __tablename__ = "authenticators"

    user_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True
    )
    secret: Mapped[str]
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]


class Passkey(Keyed, Base):
    """A passkey (WebAuthn): the public key of a key pair on the person's device."""

    __tablename__ = "passkeys"
    __table_args__ = (
        Index("passkeys_credential_id_key", "credential_id", unique=True),
        Index("passkeys_user_id_idx", "user_id"),
    )

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE", onupdate="CASCADE"))
    name: Mapped[str]
    credential_id: Mapped[bytes] = mapped_column(LargeBinary)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    used_at: Mapped[datetime | None]


class RecoveryCode(Base):
    """The SHA-256 of a recovery code; the row is deleted once it is used."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True
    )
    code: Mapped[str] = mapped_column(primary_key=True)
