"""The table of how people arrange their lists."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.models import Base


class ListArrangement(Base):
    """How a person arranged each of their lists: `{"users": {"columns": ["role"], "per_page": 50, "dense": true}}`."""

    __tablename__ = "list_arrangements"

    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    lists: Mapped[dict[str, Any]] = mapped_column(JSONB)
