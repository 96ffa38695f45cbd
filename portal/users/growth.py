"""How many people came and went, and how many signed in, by day or month: totals that triggers keep."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    ColumnElement,
    Date,
    ForeignKey,
    Identity,
    Index,
    Interval,
    Uuid,
    and_,
    bindparam,
    cast,
    delete,
    false,
    func,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.actor import Actor, Role
from portal.core.clock import now
from portal.core.db import command, db, read
from portal.core.listing import Rows
from portal.core.models import Base, TenantOwned
from portal.core.retention import in_batches
from portal.core.scoping import kept
from portal.organizations.models import Organization
from portal.users.models import User
from portal.users.totals import UserTotal, total
from portal.web.charts import Chart, bars, line

DAYS, MONTHS = 30, 12
KEPT = timedelta(days=400)  # a year, with the month in which it began
REMOVED_AT_ONCE = 10_000
NEWEST, SHOWN = 5_000, 7  # how many people are counted by organization, and how many organizations are shown


class DailyTotal(TenantOwned, Base):
    """People who came to and left an organization on a day, or, without one, the portal; and sign-ins.

    People come when they are created, restored or moved there. Days are in UTC. What is written
    for a day more than 40 days ago is added to the first of its month. A day can have several rows.
    """

    __tablename__ = "daily_totals"
    __table_args__ = (Index("daily_totals_organization_id_idx", "organization_id", "day"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    organization_id: Mapped[uuid.UUID | None]
    day: Mapped[date]
    added: Mapped[int] = mapped_column(BigInteger)
    removed: Mapped[int] = mapped_column(BigInteger)
    sign_ins: Mapped[int] = mapped_column(BigInteger)

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        """ADMINs see the numbers of their organization, USERs none."""
        return super().visible_to(actor) if actor.role is Role.ADMIN else false()

    def is_writable_by(self, actor: Actor) -> bool:
        return False


class Unadministered(Base):
    """An organization without an administrator who can sign in, whether it is deleted or not. For SUPER_ADMINs."""

    __tablename__ = "unadministered"

    organization_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True
    )


@dataclass(frozen=True)
class Growth:
    """Per day, or per month from its first day: new people, sign-ins, and how many people there were at its end."""

    begins: Sequence[date]
    added: Sequence[int]
    sign_ins: Sequence[int]
    people: Sequence[int]


def growth(organization_id: uuid.UUID | None, *, by_day: bool) -> Growth:
    """The last 30 days or 12 months of an organization, or of everybody; today is the last one. In one statement."""
    today = now().date()
    first = _first(today, by_day=by_day)
    values = {"first": first, "last": today, **({"organization_id": organization_id} if organization_id else {})}
    rows = read(_statement("1 day" if by_day else "1 month", is_of_all=organization_id is None), values)
    people, ends = rows[0].people, list[int]()
    for row in reversed(rows):  # from what there is now back to each end
        ends.append(people)
        people -= row.added - row.removed
    return Growth([row.begins for row in rows], [row.added for row in rows], [row.sign_ins for row in rows], ends[::-1])


@dataclass(frozen=True)
class NewPeople:
    """How many of the newest people belong to an organization; to none, if it is None."""

    organization_id: uuid.UUID | None
    name: str | None
    people: int
    counted: int  # of all organizations; NEWEST if there are more


def new_people_by_organization(*, by_day: bool) -> Sequence[NewPeople]:
    """The organizations with the most new people of the period among the NEWEST people, most first."""
    found = read(_by_organization(), {"first": _first(now().date(), by_day=by_day)})
    return [NewPeople(*row) for row in found]


@cache
def _by_organization() -> Rows:
    newest = select(User.organization_id).where(User.created_at >= bindparam("first", type_=Date))
    newest_of = newest.order_by(User.created_at.desc(), User.id.desc()).limit(NEWEST).subquery()
    people = func.count().label("people")
    ranked = select(
        newest_of.c.organization_id, people, cast(func.sum(func.count()).over(), BigInteger).label("counted")
    )
    top = ranked.group_by(newest_of.c.organization_id).order_by(people.desc()).limit(SHOWN).subquery()
    named = select(top.c.organization_id, Organization.name, top.c.people, top.c.counted)
    rows = named.outerjoin(Organization, Organization.id == top.c.organization_id)
    return kept(rows.order_by(top.c.people.desc(), Organization.name, top.c.organization_id))


def charts_of(found: Growth, *, by_day: bool) -> list[Chart]:
    return [
        line("All people", "People", found.begins, found.people, by_day=by_day),
        bars("New people", "New people", found.begins, found.added, by_day=by_day),
        bars("Sign-ins", "Sign-ins", found.begins, found.sign_ins, by_day=by_day),
    ]


@cache
def _statement(step: str, *, is_of_all: bool) -> Rows:
    first, last = (cast(bindparam(name, type_=Date), TIMESTAMP) for name in ("first", "last"))
    period = func.generate_series(first, last, cast(step, Interval))
    at = period.table_valued("begins", name="period").render_derived().c.begins
    mine, organization_id = DailyTotal.organization_id, bindparam("organization_id", type_=Uuid())
    here = mine.is_(None) if is_of_all else mine == organization_id
    inside = and_(here, DailyTotal.day >= cast(at, Date), DailyTotal.day < cast(at + cast(step, Interval), Date))
    added, removed, sign_ins = (
        cast(func.coalesce(func.sum(column), 0), BigInteger)
        for column in (DailyTotal.added, DailyTotal.removed, DailyTotal.sign_ins)
    )
    return kept(
        select(
            cast(at, Date).label("begins"),
            added.label("added"),
            removed.label("removed"),
            sign_ins.label("sign_ins"),
            _people(None if is_of_all else organization_id).label("people"),
        )
        .select_from(at.table)
        .join(DailyTotal, inside, isouter=True)
        .group_by(at)
        .order_by(at)
    )


def _people(organization_id: Any) -> Any:
    """How many people there are now. Organizations don't count their SUPER_ADMINs, as in their totals by day."""
    if organization_id is None:
        return total(UserTotal.organization_id.is_(None), UserTotal.status != "deleted")
    mine = UserTotal.organization_id == organization_id, UserTotal.role != Role.SUPER_ADMIN
    return total(*mine, UserTotal.status != "deleted")


def _first(today: date, *, by_day: bool) -> date:
    return today - timedelta(days=DAYS - 1) if by_day else _months_before(today, MONTHS - 1)


def _months_before(day: date, many: int) -> date:
    years, month = divmod(day.year * 12 + day.month - 1 - many, 12)
    return date(years, month + 1, 1)


def add_sign_in(organization_id: uuid.UUID | None) -> None:
    """Count a sign-in, inside the command that opens the session."""
    db.session.execute(select(func.portal_count_sign_in(organization_id)))


def unadministered() -> Any:
    """The keys of organizations without an administrator who can sign in."""
    return select(Unadministered.organization_id)


def remove_old(before: datetime) -> int:
    """Remove numbers of days before that one."""
    return in_batches(lambda: _remove_old(before))


@command
def _remove_old(before: datetime) -> int:
    old = select(DailyTotal.id).where(DailyTotal.day < before.date()).limit(REMOVED_AT_ONCE)
    gone = delete(DailyTotal).where(DailyTotal.id.in_(old)).returning(DailyTotal.id)
    return len(db.session.scalars(gone, execution_options={"synchronize_session": False}).all())
