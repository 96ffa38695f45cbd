"""Base classes of all tables."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Enum,
    FetchedValue,
    Index,
    Integer,
    MetaData,
    Select,
    Text,
    Uuid,
    false,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    InstrumentedAttribute,
    Mapped,
    MappedColumn,
    declared_attr,
    mapped_column,
    registry,
)

from portal.core.actor import Actor, Role
from portal.core.keys import uuid7
from portal.core.row_security import OWN_TENANT

BY_NAME = {"sort_name": 'COLLATE "C"'}  # as an operator class, because comparison with the catalog ignores collations
NOT_DELETED = text("deleted_at IS NULL")
CHANGED = text("updated_at DESC"), text("id DESC")
NAMING = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_name)s_key",
    "ix": "%(table_name)s_%(column_0_name)s_idx",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


class Base(DeclarativeBase):
    """The declarative base. Migrations are compared with its metadata."""

    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            str: Text(),
            uuid.UUID: Uuid(),
            datetime: DateTime(timezone=True),
            Role: Enum(Role, name="Role"),
        },
    )


class Keyed:
    """A UUIDv7 primary key, created by the application. The server's default is for other programs."""

    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, default=uuid7, server_default=text("gen_random_uuid()"), sort_order=-1
    )


class Audited:
    """Who created and changed the row, and when. The stamping trigger sets these columns from the actor."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), server_onupdate=FetchedValue(), sort_order=91
    )
    created_by: Mapped[uuid.UUID | None] = mapped_column(server_default=FetchedValue(), sort_order=93)
    updated_by: Mapped[uuid.UUID | None] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue(), sort_order=94
    )
    version: Mapped[int] = mapped_column(
        Integer, server_default=text("1"), server_onupdate=FetchedValue(), sort_order=96
    )

    @declared_attr.directive
    @classmethod
    def __mapper_args__(cls) -> dict[str, Any]:
        """An UPDATE of a row that somebody else has changed since it was read raises StaleDataError."""
        return {"eager_defaults": True, "version_id_col": cls.version, "version_id_generator": False}


class SoftDeletable:
    """A row with `deleted_at` is hidden from every query without `with_deleted`."""

    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=92)
    deleted_by: Mapped[uuid.UUID | None] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue(), sort_order=95
    )

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    @classmethod
    def every_row(cls, name: str) -> Any:
        """The table itself, because the session hides the deleted rows of entities. No tenant's conditions apply."""
        return cls.__table__.alias(name)  # type: ignore[attr-defined]

    @classmethod
    def deleted_keys(cls) -> Select[uuid.UUID]:
        """A subquery of deleted rows' ids."""
        rows = cls.every_row(f"deleted_{cls.__table__.name}")  # type: ignore[attr-defined]
        return select(rows.c.id).where(rows.c.deleted_at.is_not(None))


class TenantOwned:
    """A row that belongs to a tenant. Subclasses define the tenant's column and, if it differs, who may see the row."""

    @classmethod
    def tenant(cls) -> InstrumentedAttribute[Any]:
        """The column that names the tenant."""
        column: InstrumentedAttribute[Any] = cls.organization_id  # type: ignore[attr-defined]
        return column

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        """The rows that a tenant's actor may read, change and delete. Without a tenant, none."""
        return false() if actor.organization_id is None else cls.tenant() == actor.organization_id

    @classmethod
    def row_policy(cls) -> str:
        """The SQL equivalent of `visible_to`, for the table's row-level security policy (see core/row_security.py)."""
        return f"{cls.tenant().key} = {OWN_TENANT}"

    def is_writable_by(self, actor: Actor) -> bool:
        """Whether a tenant's actor may save the row in its current state."""
        return actor.organization_id is not None and getattr(self, self.tenant().key) == actor.organization_id


class Record(Keyed, TenantOwned, Audited, SoftDeletable):
    """A row that people create, change, delete and restore. Its class has a column or property `name`."""

    has_private_rows: ClassVar[bool] = False  # whose events only their actor sees: they have no organization


class Link(TenantOwned):
    """A row that links two rows of a tenant, such as a team and a person. Its key is both foreign keys.

    The triggers `check_links`, `end_links` and `record_links` keep it within the tenant, and write both histories.
    """

    organization_id: Mapped[uuid.UUID] = mapped_column(sort_order=90)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=91)

    @classmethod
    def column_for(cls, model: type[Any]) -> InstrumentedAttribute[Any]:
        """The foreign key to a row of this model."""
        columns = inspect(cls).columns
        name = next(one.name for one in columns if any(key.column.table is model.__table__ for key in one.foreign_keys))
        column: InstrumentedAttribute[Any] = getattr(cls, name)
        return column


def sort_key() -> MappedColumn[str]:
    """The column `sort_name`, which the trigger of the same name sets."""
    return mapped_column(server_default=text("''"), server_onupdate=FetchedValue(), deferred=True)


def list_indexes(table: str) -> tuple[Index, ...]:
    """Indexes for lists of a table with `sort_name` and `search_text`: newest, by name, deleted, and for searches."""
    deleted = text("deleted_at IS NOT NULL")
    newest, last = text("created_at DESC"), text("deleted_at DESC")
    return (
        Index(f"{table}_created_at_idx", newest, text("id DESC"), postgresql_where=NOT_DELETED),
        Index(f"{table}_name_idx", "sort_name", "id", postgresql_where=NOT_DELETED, postgresql_ops=BY_NAME),
        Index(f"{table}_deleted_at_idx", last, text("id DESC"), postgresql_where=deleted),
        Index(
            f"{table}_search_text_idx",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
    )
