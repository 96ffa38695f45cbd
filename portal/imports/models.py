"""The tables of imports, their files and their rows."""

from __future__ import annotations

import uuid
from datetime import date, datetime
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
    resource: Mapped[str] = mapped_column(default="users", server_default=text("'users'"))  # the table of its rows
    name: Mapped[str]
    form: Mapped[str] = mapped_column(server_default=text("''"))  # how the file was read, in words
    is_pasted: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    encoding: Mapped[str] = mapped_column(default="", server_default=text("''"))  # of text
    delimiter: Mapped[str] = mapped_column(default="", server_default=text("''"))
    header: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # its line; 0 if there is none
    sample: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))  # the first rows
    problem: Mapped[str | None]  # why the file couldn't be read
    headings: Mapped[list[str]] = mapped_column(ARRAY(Text))
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))  # of each column; empty for those that are ignored
    options: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    total: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # rows read
    imported: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # rows imported, from the first
    state: Mapped[str] = mapped_column(default="read", server_default=text("'read'"))  # read, checked, imported, undone
    job_id: Mapped[uuid.UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ImportPart(TenantOwned, Base):
    """A part of an uploaded file, kept so that the file can be read again with other settings."""

    __tablename__ = "import_parts"
    __table_args__ = (Index("import_parts_organization_id_idx", "organization_id"),)

    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # from 1
    organization_id: Mapped[uuid.UUID | None]  # the tenant that sees it, as that of the import
    content: Mapped[bytes]

    @classmethod
    def tenant(cls) -> InstrumentedAttribute[Any]:
        return cls.organization_id


class ImportRow(TenantOwned, Base):
    """A row of a file, and what the import does with it. `line` is its line in the file.

    `row_id` is the person, team, ... that it creates, updates or leaves unchanged. A person has columns of their own,
    and any other row has `values`: texts, by the fields of its form.
    """

    __tablename__ = "import_rows"
    __table_args__ = (
        Index("import_rows_key_idx", "import_id", "key", "number"),
        Index("import_rows_organization_id_idx", "organization_id"),
    )

    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # from 1
    organization_id: Mapped[uuid.UUID | None]  # the tenant that sees it, as that of the import
    line: Mapped[int]
    text: Mapped[str | None]  # the beginning of a row that has no columns of its own, or can't be used
    key: Mapped[str | None]  # what no other row may have, such as the email address
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    role: Mapped[Role | None]
    is_active: Mapped[bool | None]
    activates_on: Mapped[date | None]  # in the future when the file was read
    expires_on: Mapped[date | None]
    home_id: Mapped[uuid.UUID | None]  # the organization of the new person
    values: Mapped[dict[str, str] | None] = mapped_column(JSONB)
    verdict: Mapped[str]
    reason: Mapped[str | None]
    row_id: Mapped[uuid.UUID | None]
    version: Mapped[int | None]  # of an updated row after the import
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # the values that the import replaced

    @classmethod
    def tenant(cls) -> InstrumentedAttribute[Any]:
        return cls.organization_id
