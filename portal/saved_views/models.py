"""The table of saved views."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ColumnElement, Computed, ForeignKey, Index, and_, or_, select, text
from sqlalchemy.orm import Mapped, aliased, column_property, mapped_column, relationship

from portal.core.actor import Actor
from portal.core.models import NOT_DELETED, Base, Record, list_indexes, sort_key
from portal.core.row_security import ONESELF, OWN_TENANT
from portal.organizations.models import Organization
from portal.users.models import User

PRIVATE, LOCKED, OPEN = "private", "locked", "open"


class SavedView(Record, Base):
    """A list with a name: `query` has the arguments of its URL.

    A private view has an owner, and nobody else in the tenant sees it. A shared one belongs to the
    organization, or to the SUPER_ADMINs if it has none: everybody there opens it; if it is locked, only the person who
    created it changes it.
    """

    __tablename__ = "saved_views"
    __table_args__ = (
        CheckConstraint(
            f"sharing IN ('{PRIVATE}', '{LOCKED}', '{OPEN}') AND (sharing = '{PRIVATE}') = (owner_id IS NOT NULL)",
            name="sharing",
        ),
        Index(
            "saved_views_name_key",
            "organization_id",
            "owner_id",
            "list_name",
            text("lower(name)"),
            unique=True,
            postgresql_where=NOT_DELETED,
            postgresql_nulls_not_distinct=True,
        ),
        Index("saved_views_organization_id_idx", "organization_id"),
        Index("saved_views_owner_id_idx", "owner_id"),
        *list_indexes("saved_views"),
    )

    has_private_rows = True
    organization_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    owner_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    list_name: Mapped[str]
    name: Mapped[str]
    query: Mapped[str]
    sharing: Mapped[str]
    sort_name: Mapped[str] = sort_key()
    search_text: Mapped[str] = mapped_column(Computed("' ' || portal_fold(name)", persisted=True), deferred=True)
    organization: Mapped[Organization | None] = relationship(lazy="raise_on_sql", viewonly=True)
    has_creator: ClassVar[Any]  # whether the person who created it is active

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        shared = or_(cls.owner_id.is_(None), cls.owner_id == actor.id)
        return and_(super().visible_to(actor), shared)

    @classmethod
    def row_policy(cls) -> str:
        return f"organization_id = {OWN_TENANT} AND (owner_id IS NULL OR owner_id = {ONESELF})"

    def is_writable_by(self, actor: Actor) -> bool:
        return super().is_writable_by(actor) and self.owner_id in (None, actor.id)

    def may_be_changed_by(self, actor: Actor) -> bool:
        """The person who created a locked view; once they can't sign in any more, everybody who sees it."""
        is_own = actor.id in (self.owner_id, self.created_by)
        return actor.is_unlimited or is_own or self.sharing == OPEN or not self.has_creator


_creator = aliased(User, name="creator")
_here = select(_creator.id).where(_creator.id == SavedView.created_by, _creator.is_active)
SavedView.has_creator = column_property(_here.exists())
