"""The tables of imports and of their rows."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from portal.core.actor import Role
from portal.core.models import Base, Keyed, TenantOwned

VERDICTS = ("create", "update", "unchanged", "refused")


class Import(Keyed, TenantOwned, Base):
    """A file that somebody imports. `organization_id` is the tenant that sees it: none sees those of SUPER_ADMINs.

    `job_id` is the job that checks, imports or undoes it: the newest of them.
    """

    __tablename__ = "imports"
    __table_args__ = (
        Index("imports_organization_id_idx", "organization_id", text("created_at DESC")),
        Index("imports_owner_id_idx", "owner_id"),
        Index("imports_created_at_idx", text("created_at DESC")),
    )

    organization_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    form: Mapped[str]  # how the file was read, in words
    headings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))  # of each column; empty for those that are ignored
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    total: Mapped[int] = mapped_column(server_default=text("0"))
    state: Mapped[str] = mapped_column(default="read", server_default=text("'read'"))  # read, checked, imported, undone
    job_id: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ImportRow(TenantOwned, Base):
    """A row of a file: its cells, what they mean, and what becomes of it. `line` is its line in the file."""

    __tablename__ = "import_rows"
    __table_args__ = (
        Index("import_rows_email_idx", "import_id", "email"),
        Index("import_rows_organization_id_idx", "organization_id"),
    )

    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # from 1
    organization_id: Mapped[uuid.UUID | None]  # the tenant that sees it, as that of the import
    line: Mapped[int]
    cells: Mapped[list[str]] = mapped_column(JSONB)
    email: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    role: Mapped[Role | None]
    is_active: Mapped[bool | None]
    home_id: Mapped[uuid.UUID | None]  # the organization of the new person
    fault: Mapped[str | None]  # why the cells can't be used
    verdict: Mapped[str | None]
    reason: Mapped[str | None]
    person_id: Mapped[uuid.UUID | None]
    version: Mapped[int | None]  # of the person after the import
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # the values that the import replaced

    @classmethod
    def tenant(cls) -> InstrumentedAttribute[Any]:
        return cls.organization_id
