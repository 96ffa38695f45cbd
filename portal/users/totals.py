"""How many people there are of each kind, kept by triggers, so that a million are counted as fast as ten."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Identity, Index, and_, cast, false, func, select
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.actor import Actor, Role, current_actor
from portal.core.bulk import among
from portal.core.checks import Check, CheckFailed
from portal.core.db import command, db
from portal.core.keys import NO_KEY, read_key
from portal.core.listing import Listing
from portal.core.models import Base, TenantOwned
from portal.core.row_security import OWN_TENANT
from portal.organizations.models import Organization, OrganizationSize
from portal.users.filters import YES_OR_NO
from portal.users.models import User

ABLE = ("active", "invited")  # the tabs without people of deleted organizations
LOCKED_OUT = "organization-deleted"  # the tab with those
COUNTED = frozenset({"role", "two_factor", "organization"})  # the filters of lists that totals know


class UserTotal(TenantOwned, Base):
    """A number of people of an organization, or without one, of everybody. The total of a kind is the sum of its rows.

    `status` is one of portal_user_status, whatever the state of the organization.
    """

    __tablename__ = "user_totals"
    __table_args__ = (Index("user_totals_organization_id_idx", "organization_id", "status"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    organization_id: Mapped[uuid.UUID | None]
    in_deleted_organization: Mapped[bool]
    role: Mapped[Role]
    status: Mapped[str]
    has_two_factor: Mapped[bool]
    people: Mapped[int] = mapped_column(BigInteger)

    @classmethod
    def visible_to(cls, actor: Actor) -> ColumnElement[bool]:
        """ADMINs see the totals of their organization, without SUPER_ADMINs; USERs see none."""
        if actor.role is not Role.ADMIN:
            return false()
        return and_(super().visible_to(actor), cls.role != Role.SUPER_ADMIN)

    @classmethod
    def row_policy(cls) -> str:
        return f"organization_id = {OWN_TENANT} AND role <> 'SUPER_ADMIN'"

    def is_writable_by(self, actor: Actor) -> bool:
        return False


def total(*conditions: ColumnElement[bool]) -> Any:
    """A scalar subquery with a number of people."""
    return select(cast(func.coalesce(func.sum(UserTotal.people), 0), BigInteger)).where(*conditions).scalar_subquery()


def active_in(organization_id: Any, *conditions: ColumnElement[bool]) -> Any:
    """The number of people who can sign in to an organization that isn't deleted."""
    return total(UserTotal.organization_id == organization_id, UserTotal.status == "active", *conditions)


def seats_in(organization_id: Any) -> Any:
    """The number of an organization's seats in use, as portal_check_seats() counts them."""
    kind = UserTotal.status.in_(ABLE), UserTotal.role != Role.SUPER_ADMIN
    return total(UserTotal.organization_id == organization_id, *kind)


def remaining_in(organization_id: Any, *conditions: ColumnElement[bool]) -> Any:
    """The number of an organization's people who aren't deleted."""
    return total(UserTotal.organization_id == organization_id, UserTotal.status != "deleted", *conditions)


def count_of(listing: Listing) -> Any:
    """The exact number of people in a list, as an expression; None if it has filters that totals don't know."""
    asked = listing.filters
    return None if asked.keys() - COUNTED else _count(listing.status, current_actor().is_unlimited, *asked.items())


def tally_of(listing: Listing) -> Any:
    """The number of people in each tab, as an array; None with filters that totals don't know.

    Filters that divide a tab don't apply to the others.
    """
    asked = [(name, value) for name, value in listing.filters.items() if not listing.source.filters[name].divides]
    if {name for name, _ in asked} - COUNTED:
        return None
    return _tally(tuple(listing.source.tabs), current_actor().is_unlimited, *asked)


@lru_cache(maxsize=128)
def _tally(tabs: tuple[str, ...], is_unlimited: bool, *filters: tuple[str, str]) -> Any:
    """One subquery for all tabs, because PostgreSQL plans each anew for filtered lists."""
    people = (func.sum(UserTotal.people).filter(*_of_status(status)) for status in tabs)
    counts = array([cast(func.coalesce(one, 0), BigInteger) for one in people])
    return select(counts).where(*_asked(is_unlimited, *filters)).scalar_subquery()


@lru_cache(maxsize=128)
def _count(status: str, is_unlimited: bool, *filters: tuple[str, str]) -> Any:
    return total(*_of_status(status), *_asked(is_unlimited, *filters))


def _of_status(status: str) -> Iterator[ColumnElement[bool]]:
    yield UserTotal.status != "deleted" if status == LOCKED_OUT else UserTotal.status == status
    if status in (*ABLE, LOCKED_OUT):
        yield UserTotal.in_deleted_organization.is_(status == LOCKED_OUT)


def _asked(is_unlimited: bool, *filters: tuple[str, str]) -> Iterator[ColumnElement[bool]]:
    asked = dict(filters)
    if "role" in asked:
        yield among(UserTotal.role, [Role[name] for name in asked["role"].split(",")])
    if "two_factor" in asked:
        yield UserTotal.has_two_factor.is_(YES_OR_NO[asked["two_factor"]])
    if "organization" in asked:
        yield among(
            UserTotal.organization_id, [read_key(value) or NO_KEY for value in asked["organization"].split(",")]
        )
    elif is_unlimited:
        yield UserTotal.organization_id.is_(None)


def problem() -> str | None:
    """What is wrong with the totals of everybody, if something is. Reads every person."""
    kind = UserTotal.in_deleted_organization, UserTotal.role, UserTotal.status, UserTotal.has_two_factor
    stored = select(*kind, func.sum(UserTotal.people)).where(UserTotal.organization_id.is_(None)).group_by(*kind)
    status = func.portal_user_status(User.is_active, User.invited_at, User.accepted_at, User.deleted_at)
    gone = User.organization_id.in_(Organization.deleted_keys()).is_(True)
    same = gone, User.role, status, User.has_two_factor
    counted = select(*same, func.count()).group_by(*same)
    options = {"with_deleted": True}
    kept = {(*key,): int(people) for *key, people in db.session.execute(stored) if people}
    true = {(*key,): people for *key, people in db.session.execute(counted, execution_options=options)}
    if kept == true:
        return _wrong_sizes()
    return f"{sum(kept.values()):,} people are counted, {sum(true.values()):,} exist, or their kinds differ"


def _wrong_sizes() -> str | None:
    right = active_in(OrganizationSize.organization_id)
    wrong = db.session.scalar(
        select(func.count()).select_from(OrganizationSize).where(OrganizationSize.people != right)
    )
    return f"{wrong:,} organizations have another size than number of people" if wrong else None


@command
def recount() -> None:
    """Count everybody again, after writing people while triggers were off. Changes of people wait meanwhile."""
    db.session.execute(select(func.portal_recount_users()))


def _checked() -> str:
    if found := problem():
        raise CheckFailed(f"{found}: run `flask users recount`.")
    return "as many people as there are"


CHECKS = (Check("totals", _checked),)
