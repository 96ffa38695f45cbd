"""What does the demo keep of the letters that it can't send?"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.models import Base, Keyed


class KeptLetter(Keyed, Base):
    """A letter that would have been sent. In production, and where a mail server is named, there are none."""

    __tablename__ = "letters"
    __table_args__ = (Index("letters_kept_at_idx", "kept_at"),)

    recipient: Mapped[str]
    subject: Mapped[str]
    content: Mapped[str]
    link: Mapped[str | None]
    kept_at: Mapped[datetime] = mapped_column(server_default=func.now())
