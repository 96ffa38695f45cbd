"""The table of organizations."""

from __future__ import annotations

import re
import unicodedata
import uuid
from typing import Any

from sqlalchemy import BigInteger, Computed, ForeignKey, Identity, Index, text
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from portal.core.models import CHANGED, NOT_DELETED, Base, Record, list_indexes, sort_key
from portal.core.text import LONGEST, tidy

LONGEST_SLUG = 63
LETTERS = {
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t",
    "ŋ": "n",
}  # fmt: skip


class Organization(Record, Base):
    """A tenant. Deleting it changes only this row; its people stay as they are, but can't sign in."""

    __tablename__ = "organizations"
    __table_args__ = (
        Index("organizations_slug_key", "slug", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("organizations_updated_at_idx", *CHANGED, postgresql_where=NOT_DELETED),
        *list_indexes("organizations"),
    )

    name: Mapped[str]
    slug: Mapped[str]
    # Settings: see organizations/settings.py. None means the default of the installation.
    inviters: Mapped[str | None]
    email_domains: Mapped[str | None]  # separated by spaces
    two_factor_for: Mapped[str | None]
    session_hours: Mapped[int | None]
    idle_minutes: Mapped[int | None]
    password_minimum: Mapped[int | None]
    seat_limit: Mapped[int | None]
    inactive_days: Mapped[int | None]  # without a sign-in, until people are deactivated: users/inactivity.py
    warning_days: Mapped[int | None]  # before that, when they get an email
    sort_name: Mapped[str] = sort_key()
    search_text: Mapped[str] = mapped_column(
        Computed("' ' || portal_fold(name || ' ' || slug)", persisted=True), deferred=True
    )

    @classmethod
    def tenant(cls) -> InstrumentedAttribute[Any]:
        return cls.id


class OrganizationSize(Base):
    """How many people of an organization can sign in, and how many of them have two-factor authentication.

    Kept at each commit by a trigger of size_changes, for lists in this order. For SUPER_ADMINs.
    """

    __tablename__ = "organization_sizes"
    __table_args__ = (Index("organization_sizes_people_idx", "people", "organization_id"),)

    organization_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True
    )
    people: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    protected: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class SizeChange(Base):
    """What the running transaction will add to the size of an organization or a team when it commits."""

    __tablename__ = "size_changes"

    transaction_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    is_team: Mapped[bool]
    key: Mapped[uuid.UUID]
    people: Mapped[int] = mapped_column(BigInteger)
    part: Mapped[int] = mapped_column(BigInteger)  # those with two-factor authentication; of a team, not SUPER_ADMINs


def slug_of(name: str) -> str:
    """Make a slug from a name: lowercase ASCII letters and digits, separated by single hyphens.

    The form suggests the same while the name is typed: `static/js/portal.js: slug`.
    """
    text = unicodedata.normalize("NFKD", tidy(name[:LONGEST]) or "").lower()
    plain = "".join(LETTERS.get(one, one) for one in text if unicodedata.category(one) not in ("Mn", "Mc", "Me", "Cf"))
    return re.sub(r"[^a-z0-9]+", "-", plain)[:LONGEST_SLUG].strip("-")
