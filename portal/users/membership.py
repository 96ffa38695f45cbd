"""Provide organizations with their people: counts, the newest ones, and checks before deletion."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, func, not_, select, true

from portal.core.actor import Role, current_actor
from portal.core.bulk import among
from portal.core.counts import Count
from portal.core.db import db
from portal.core.operations import Operation
from portal.organizations import members
from portal.organizations.models import Organization
from portal.users import queries, totals
from portal.users.closing import of_closing
from portal.users.commands import keep_a_super_admin
from portal.users.consequences import of_returning
from portal.users.filters import last_sign_in
from portal.users.growth import charts_of, growth, unadministered
from portal.users.inactivity import sentences
from portal.users.models import User
from portal.users.totals import UserTotal
from portal.web.charts import Chart

NEWEST = 8


class People:
    """The provider for portal/organizations/members.py."""

    def counted(self, *, status: str = "active", role: str = "") -> Any:
        kind = (UserTotal.role == Role[role],) if role else ()
        return totals.total(UserTotal.organization_id == Organization.id, UserTotal.status == status, *kind)

    def oneself(self) -> tuple[str, bool]:
        found = db.session.execute(select(User.email, User.has_two_factor).where(User.id == current_actor().id)).one()
        return found.email, found.has_two_factor

    def seats_in(self, organization_id: uuid.UUID) -> int:
        return db.session.scalar(select(totals.seats_in(organization_id))) or 0

    def unprotected_in(self, organization_id: uuid.UUID, roles: Sequence[Role]) -> int:
        kind = UserTotal.role.in_(roles), UserTotal.has_two_factor.is_(False)
        return db.session.scalar(select(totals.active_in(organization_id, *kind))) or 0

    def of(self, organization_id: uuid.UUID, *, is_deleted: bool = False) -> members.Membership:
        newest = queries.people().where(User.organization_id == organization_id)
        newest = newest.order_by(User.created_at.desc(), User.id.desc()).limit(NEWEST)
        people = totals.remaining_in if is_deleted else totals.active_in
        kinds = (), (UserTotal.role == Role.ADMIN,), (UserTotal.has_two_factor.is_(True),)
        numbers = [people(organization_id, *kind).label(None) for kind in kinds]
        seen = select(last_sign_in).where(User.organization_id == organization_id)
        seen = seen.order_by(last_sign_in.desc(), User.id.desc()).limit(1)
        changed = select(Operation.at).where(Operation.organization_id == organization_id)
        changed = changed.order_by(Operation.at.desc(), Operation.key.desc()).limit(1)
        numbers.append(totals.seats_in(organization_id).label(None))
        columns: list[Any] = [*numbers, seen.scalar_subquery(), changed.scalar_subquery()]
        every, admins, protected, seats, seen_at, changed_at = db.session.execute(select(*columns)).one()
        return members.Membership(
            newest=db.session.execute(newest).all(),
            people=Count(every),
            admins=Count(admins),
            protected=Count(protected),
            seats=Count(seats),
            last_sign_in_at=seen_at if seen_at and seen_at.year > 1 else None,
            last_activity_at=changed_at,
        )

    def unadministered(self) -> Any:
        return unadministered()

    def charts(self, organization_id: uuid.UUID, *, by_day: bool) -> Sequence[Chart]:
        return charts_of(growth(organization_id, by_day=by_day), by_day=by_day)[::2]  # it shows two

    def before_delete(self, *organization_ids: uuid.UUID) -> None:
        leaving = select(User).where(among(User.organization_id, organization_ids), User.role == Role.SUPER_ADMIN)
        keep_a_super_admin(*db.session.scalars(leaving.order_by(User.id)))

    def has_last_super_admins(self, organization_ids: Sequence[uuid.UUID]) -> Any:
        able = queries.active_super_admins()
        inside = able.where(User.organization_id == Organization.id).correlate(Organization)
        is_outside = func.coalesce(not_(among(User.organization_id, organization_ids)), true())
        return and_(inside.exists(), not_(able.where(is_outside).exists()))

    def number_in(self, organization_ids: Sequence[uuid.UUID]) -> int:
        inside = totals.total(among(UserTotal.organization_id, organization_ids), UserTotal.status == "active")
        return db.session.scalar(select(inside)) or 0

    def of_deleting(self, organization_id: uuid.UUID) -> list[str]:
        return of_closing(organization_id)

    def of_deactivating(self, organization_id: uuid.UUID, days: int, warning_days: int) -> Sequence[str]:
        return sentences(organization_id, days, warning_days)

    def of_restoring(self, organization_id: uuid.UUID) -> list[str]:
        able = queries.active_super_admins_of(organization_id)
        return [sentence for user in db.session.scalars(able) for sentence in of_returning(user, None)]
