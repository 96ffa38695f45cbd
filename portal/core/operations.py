"""Operations: what one transaction did, as one row. Lists of the history read these alone."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Index, Text, Uuid, false, text, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from portal.core.actor import Actor, Role, current_actor
from portal.core.models import Base, TenantOwned

NEWEST = (text("at DESC"), text("key DESC"))
GIN: dict[str, Any] = {"postgresql_using": "gin", "postgresql_with": {"gin_pending_list_limit": 64}}


class XID8(UserDefinedType[str]):
    """A transaction id that is never reused."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


ischema_names["xid8"] = XID8


class Operation(TenantOwned, Base):
    """All events of one transaction: one row for the whole, without an organization, and one for each tenant's part.

    A trigger on activity writes them. A row is a copy of its first event, and adds what all of them have: how many,
    which actions and changed columns, and the names of the first few rows.
    """

    __tablename__ = "operations"
    __table_args__ = (
        Index("operations_id_key", "id", "organization_id", unique=True, postgresql_nulls_not_distinct=True),
        Index("operations_at_idx", *NEWEST, postgresql_where=text("organization_id IS NULL")),
        Index("operations_organization_id_idx", "organization_id", *NEWEST),
        Index("operations_actor_id_idx", "actor_id", *NEWEST),
        Index("operations_event_id_idx", "event_id"),
        Index(
            "operations_rate_limited_idx",
            "organization_id",
            *NEWEST,
            postgresql_where=text("actions @> '{rate_limited}'"),
        ),
        Index("operations_contents_idx", "actions", "fields", "row_ids", **GIN),
        Index("operations_search_text_idx", "search_text", postgresql_ops={"search_text": "gin_trgm_ops"}, **GIN),
    )

    xid: Mapped[str] = mapped_column(XID8())
    key: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID]
    organization_id: Mapped[uuid.UUID | None]
    at: Mapped[datetime]
    event_id: Mapped[int] = mapped_column(BigInteger)
    actor_id: Mapped[uuid.UUID | None]
    actor_role: Mapped[str | None]
    database_user: Mapped[str]
    address: Mapped[str | None]
    agent: Mapped[str | None]
    request_id: Mapped[str | None]
    action: Mapped[str]
    table_name: Mapped[str | None]
    row_id: Mapped[uuid.UUID | None]
    row_version: Mapped[int | None]
    changes: Mapped[dict[str, list[Any]] | None] = mapped_column(JSONB)
    undoes: Mapped[uuid.UUID | None]  # the operation that was undone
    times: Mapped[int]
    events: Mapped[int] = mapped_column(BigInteger)
    counts: Mapped[dict[str, int]] = mapped_column(JSONB)  # of events, by table and action
    actions: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    row_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid()))
    names: Mapped[list[str] | None] = mapped_column(ARRAY(Text()))
    search_text: Mapped[str | None]  # of the same rows
    statements: Mapped[int]  # that wrote events, up to 500

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        """ADMINs see the part of their own organization, USERs nothing."""
        if actor.role is Role.ADMIN and actor.organization_id is not None:
            return cls.organization_id == actor.organization_id
        return false()

    @classmethod
    def shown(cls) -> ColumnElement[bool]:
        """The rows that lists show: whole operations for unlimited actors, else the tenant's parts (see scoping)."""
        return cls.shown_to(is_unlimited=current_actor().is_unlimited)

    @classmethod
    def shown_to(cls, *, is_unlimited: bool) -> ColumnElement[bool]:
        """The same for actors with or without a tenant, for statements that are built once."""
        return cls.organization_id.is_(None) if is_unlimited else true()
