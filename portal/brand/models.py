"""The table of the installation's brand, in versions."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary, func, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.models import Base

BY_ACTOR = text("nullif(current_setting('portal.actor_id', true), '')::uuid")


class BrandVersion(Base):
    """The product name, accent color and logo from `at` on. None is the operator's or the portal's own.

    Rows are only added, each with the number after the newest, so that of two changes at once one fails.
    """

    __tablename__ = "brands"
    __table_args__ = (
        CheckConstraint("(logo IS NULL) = (logo_type IS NULL) AND octet_length(logo) <= 200000", name="logo"),
    )

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor_id: Mapped[uuid.UUID | None] = mapped_column(server_default=BY_ACTOR)
    name: Mapped[str | None]
    accent: Mapped[str | None]  # one color for both themes, or two separated by a comma: portal/branding.py
    logo: Mapped[bytes | None] = mapped_column(LargeBinary)
    logo_type: Mapped[str | None]
