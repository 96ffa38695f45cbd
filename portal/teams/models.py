"""The tables of teams and their members."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, Computed, FetchedValue, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.actor import Actor, Role
from portal.core.models import CHANGED, NOT_DELETED, Base, Link, Record, TenantOwned, list_indexes, sort_key
from portal.organizations.models import Organization


class Team(Record, Base):
    """A group of people of one organization."""

    __tablename__ = "teams"
    __table_args__ = (
        Index("teams_name_key", "organization_id", text("lower(name)"), unique=True, postgresql_where=NOT_DELETED),
        Index("teams_organization_id_idx", "organization_id"),
        Index("teams_updated_at_idx", *CHANGED, postgresql_where=NOT_DELETED),
        *list_indexes("teams"),
    )

    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str | None]
    sort_name: Mapped[str] = sort_key()
    search_text: Mapped[str] = mapped_column(
        Computed("' ' || portal_fold(name || ' ' || coalesce(description, ''))", persisted=True), deferred=True
    )
    organization: Mapped[Organization] = relationship(lazy="raise_on_sql", viewonly=True)


class TeamMember(Link, Base):
    """A person in a team."""

    __tablename__ = "team_members"
    __table_args__ = (Index("team_members_user_id_idx", "user_id"),)
    __mapper_args__ = {"eager_defaults": False}  # a tenant can't read all of them

    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    # The person's role if they can sign in. Set by triggers, and not readable in a tenant.
    active_role: Mapped[Role | None] = mapped_column(server_default=FetchedValue(), deferred=True, sort_order=92)


class TeamSize(TenantOwned, Base):
    """How many members of a team can sign in, and how many of them its tenant can see.

    Kept at each commit by a trigger of size_changes, whatever the state of the team and its organization.
    """

    __tablename__ = "team_sizes"
    __table_args__ = (
        Index("team_sizes_people_idx", "people", "team_id", postgresql_include=["organization_id"]),
        Index("team_sizes_seen_idx", "organization_id", "seen", "team_id"),
    )

    team_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[uuid.UUID]
    people: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), deferred=True)
    seen: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    def is_writable_by(self, actor: Actor) -> bool:
        return False
