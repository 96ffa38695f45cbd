"""The table of people."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Computed, Date, ForeignKey, and_, cast, func, or_, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.actor import Actor, Role
from portal.core.clock import now
from portal.core.email_addresses import readable_email
from portal.core.models import Base, Record, sort_key
from portal.core.row_security import ONESELF, OWN_TENANT
from portal.organizations.models import Organization
from portal.users.indexes import INDEXES

INVITATION_HOLDS = timedelta(days=7)
EXPIRES_SOON = timedelta(days=2)
SENSITIVE = frozenset(
    {"email", "pending_email", "role", "organization_id"}
)  # changing these can give control over an account


class User(Record, Base):
    """A person who can sign in; a SUPER_ADMIN may belong to no organization."""

    __tablename__ = "users"
    __table_args__ = INDEXES

    email: Mapped[str]
    password: Mapped[str | None] = mapped_column(deferred=True, deferred_raiseload=True)
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    role: Mapped[Role] = mapped_column(default=Role.USER, server_default=text("'USER'"))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    email_verified: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    must_change_password: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    organization_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("organizations.id", ondelete="SET NULL", onupdate="CASCADE")
    )
    last_sign_in_at: Mapped[datetime | None]
    has_two_factor: Mapped[bool] = mapped_column(server_default=text("false"))  # kept by triggers of second factors
    pending_email: Mapped[str | None]  # takes effect when its link is confirmed
    link_counter: Mapped[int] = mapped_column(default=0, server_default=text("0"))  # see users/links.py
    invited_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]  # of the newest invitation
    activates_on: Mapped[date | None]  # the first day of access, in UTC; until then, the person is deactivated
    expires_on: Mapped[date | None]  # the last day of access, in UTC
    time_zone: Mapped[str | None]  # a name of the time zone database
    sort_name: Mapped[str] = sort_key()
    search_text: Mapped[str] = mapped_column(
        Computed(
            "' ' || portal_fold(coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' ' || email)",
            persisted=True,
        ),
        deferred=True,
    )

    organization: Mapped[Organization | None] = relationship(lazy="raise_on_sql", viewonly=True)

    @property
    def name(self) -> str:
        return full_name(self.first_name, self.last_name, self.email)

    @property
    def invitation(self) -> str | None:
        """`pending`, `accepted`, `expired` or `revoked`; None for people who weren't invited."""
        return invitation_of(self)

    @property
    def is_expired(self) -> bool:
        return has_expired(self)

    @property
    def seen_by(self) -> uuid.UUID | None:
        """The tenant that sees changes to this person."""
        return Actor(self.id, self.role, self.organization_id).seen_by

    def may_be_changed_by(self, actor: Actor) -> bool:
        """The actor may change people they can see; only SUPER_ADMINs may change SUPER_ADMINs."""
        return actor.is_unlimited or (actor.role is Role.ADMIN and self.role is not Role.SUPER_ADMIN)

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        """ADMINs see the people of their organization except SUPER_ADMINs; USERs see only themselves."""
        if actor.role is Role.ADMIN and actor.organization_id is not None:
            return and_(cls.organization_id == actor.organization_id, cls.role != Role.SUPER_ADMIN)
        return cls.id == actor.id

    @classmethod
    def row_policy(cls) -> str:
        # CASE is a single condition; with OR, indexes couldn't be scanned in order.
        return f"CASE WHEN id = {ONESELF} THEN true ELSE organization_id = {OWN_TENANT} AND role <> 'SUPER_ADMIN' END"

    def is_writable_by(self, actor: Actor) -> bool:
        if actor.role is Role.ADMIN and super().is_writable_by(actor):
            return self.role is not Role.SUPER_ADMIN
        return self.id == actor.id and self.organization_id == actor.organization_id and self.role is actor.role


def has_expired(person: Any) -> bool:
    """Whether the last day of access has passed. Also accepts rows of lists."""
    return person.expires_on is not None and person.expires_on < now().date()


def is_not_expired() -> ColumnElement[bool]:
    """Whether the account hasn't expired, by the clock of PostgreSQL, in statements that are made once."""
    today = cast(func.timezone("UTC", func.now()), Date)
    return or_(User.expires_on.is_(None), User.expires_on >= today)


def invitation_of(person: Any) -> str | None:
    """The state of a person's invitation. Also accepts rows of lists."""
    if person.invited_at is None:
        return None
    if person.accepted_at is not None:
        return "accepted"
    if person.revoked_at is not None:
        return "revoked"
    return "pending" if now() < person.invited_at + INVITATION_HOLDS else "expired"


def has_invitation(state: str) -> ColumnElement[bool]:
    """Whether an invitation that isn't accepted is `pending`, `expired` or `revoked`: `invitation_of` in SQL.

    `expiring` are those pending ones that expire soon.
    """
    if state == "revoked":
        return User.revoked_at.is_not(None)
    since = now() - INVITATION_HOLDS
    if state == "expired":
        return and_(User.revoked_at.is_(None), User.invited_at <= since)
    soon = (User.invited_at <= since + EXPIRES_SOON,) if state == "expiring" else ()
    return and_(User.revoked_at.is_(None), User.invited_at > since, *soon)


def full_name_of(person: Any) -> ColumnElement[str]:
    """`full_name` in SQL, for the model or an alias."""
    name = func.concat_ws(" ", func.nullif(person.first_name, ""), func.nullif(person.last_name, ""))
    return func.coalesce(func.nullif(name, ""), person.email)


def full_name(first_name: str | None, last_name: str | None, email: str) -> str:
    """A person's name, or their email address if they have none."""
    if first_name and last_name:
        return f"{first_name} {last_name}"
    return first_name or last_name or readable_email(email)
