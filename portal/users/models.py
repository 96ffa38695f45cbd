"""The table of people."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Computed, Date, ForeignKey, Index, and_, cast, func, or_, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.core.actor import Actor, Role
from portal.core.clock import now
from portal.core.email_addresses import readable_email
from portal.core.models import BY_NAME, NOT_DELETED, Base, Record, sort_key
from portal.core.row_security import ONESELF, OWN_TENANT
from portal.organizations.models import Organization

INVITATION_HOLDS = timedelta(days=7)
EXPIRES_SOON = timedelta(days=2)
SENSITIVE = frozenset(
    {"email", "pending_email", "role", "organization_id"}
)  # changing these can give control over an account
PENDING = text("deleted_at IS NULL AND is_active AND invited_at IS NOT NULL AND accepted_at IS NULL")
DEACTIVATED = text("deleted_at IS NULL AND NOT is_active")
LONG_AGO = "'0001-01-01 00:00:00+00'::timestamp with time zone"
STATE = ["organization_id", "is_active", "invited_at", "accepted_at"]  # decides which tab of the list shows a person
# Not COALESCE: the planner doesn't consider it leakproof, so behind a policy it wouldn't use the index. The line breaks
# are PostgreSQL's, because `flask db check` compares the text.
LAST_SIGN_IN = f"""
CASE
    WHEN last_sign_in_at IS NULL THEN {LONG_AGO}
    ELSE last_sign_in_at
END"""


class User(Record, Base):
    """A person who can sign in; a SUPER_ADMIN may belong to no organization."""

    __tablename__ = "users"
    __table_args__ = (
        Index("users_email_key", text("lower(email)"), unique=True, postgresql_where=NOT_DELETED),
        Index("users_email_idx", "email"),
        Index("users_organization_id_idx", "organization_id"),
        Index(
            "users_created_at_idx",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=NOT_DELETED,
            postgresql_include=["is_active", "organization_id", "invited_at", "accepted_at", "search_text"],
        ),
        Index("users_name_idx", "sort_name", "id", postgresql_where=NOT_DELETED, postgresql_ops=BY_NAME),
        Index(
            "users_organization_created_at_idx",
            "organization_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=NOT_DELETED,
            postgresql_include=[
                "role",
                "is_active",
                "email_verified",
                "invited_at",
                "accepted_at",
                "has_two_factor",
                "search_text",
            ],
        ),
        Index(
            "users_organization_name_idx",
            "organization_id",
            "sort_name",
            "id",
            postgresql_where=NOT_DELETED,
            postgresql_ops=BY_NAME,
        ),
        Index(
            "users_last_sign_in_idx",
            text(f"({LAST_SIGN_IN}) DESC"),
            text("id DESC"),
            postgresql_where=NOT_DELETED,
            postgresql_include=["last_sign_in_at", "created_at", *STATE],
        ),
        Index(
            "users_organization_last_sign_in_idx",
            "organization_id",
            text(f"({LAST_SIGN_IN}) DESC"),
            text("id DESC"),
            postgresql_where=NOT_DELETED,
            postgresql_include=["last_sign_in_at", "created_at", "role", *STATE[1:]],
        ),
        Index(
            "users_updated_at_idx",
            text("updated_at DESC"),
            text("id DESC"),
            postgresql_where=NOT_DELETED,
            postgresql_include=["created_at", *STATE],
        ),
        Index(
            "users_organization_updated_at_idx",
            "organization_id",
            text("updated_at DESC"),
            text("id DESC"),
            postgresql_where=NOT_DELETED,
            postgresql_include=["created_at", "role", *STATE[1:]],
        ),
        Index(
            "users_role_idx",
            "role",
            "organization_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NULL AND role <> 'USER'"),
        ),
        Index(
            "users_staff_idx",
            "organization_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NULL AND role <> 'USER'"),
            postgresql_include=["role", "is_active", "invited_at", "accepted_at", "search_text"],
        ),
        Index(
            "users_invited_idx",
            "organization_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=PENDING,
            postgresql_include=["role", "invited_at", "revoked_at"],
        ),
        Index(
            "users_expiring_idx",
            "invited_at",
            postgresql_where=text(f"{PENDING.text} AND revoked_at IS NULL"),
            postgresql_include=["organization_id", "role"],
        ),
        Index(
            "users_deactivated_idx",
            "organization_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=DEACTIVATED,
            postgresql_include=["role", "invited_at", "accepted_at"],
        ),
        Index(
            "users_two_factor_idx",
            "organization_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NULL AND has_two_factor"),
        ),
        Index(
            "users_expires_on_idx",
            "expires_on",
            postgresql_where=text("deleted_at IS NULL AND expires_on IS NOT NULL"),
        ),
        Index(
            "users_activates_on_idx",
            "activates_on",
            postgresql_where=text("deleted_at IS NULL AND activates_on IS NOT NULL"),
        ),
        Index("users_deleted_email_idx", text("lower(email)"), postgresql_where=text("deleted_at IS NOT NULL")),
        Index(
            "users_deleted_at_idx",
            text("deleted_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index(
            "users_organization_deleted_at_idx",
            "organization_id",
            text("deleted_at DESC"),
            text("id DESC"),
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index(
            "users_search_text_idx",
            "organization_id",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
    )

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

    organization: Mapped[Organization | None] = relationship(lazy="raise_on_sql")

    @property
    def name(self) -> str:
        return full_name(self.first_name, self.last_name, self.email)

    @property
    def invitation(self) -> str | None:
        """`pending`, `accepted`, `expired` or `revoked`; None for people who weren't invited."""
        return invitation_of(self)

    @property
    def is_expired(self) -> bool:
        return self.expires_on is not None and self.expires_on < now().date()

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
