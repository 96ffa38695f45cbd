"""Provide organizations with their people: counts, the newest ones, and checks before deletion."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, func, not_, select, true

from portal.core.actor import Role
from portal.core.bulk import among
from portal.core.counts import Count
from portal.core.db import db
from portal.organizations import members
from portal.organizations.models import Organization
from portal.users import queries, totals
from portal.users.closing import of_closing
from portal.users.commands import keep_a_super_admin
from portal.users.consequences import of_returning
from portal.users.models import User
from portal.users.totals import UserTotal

NEWEST = 8


class People:
    """The provider for portal/organizations/members.py."""

    def counted(self) -> Any:
        return totals.active_in(Organization.id).label("people")

    def of(self, organization_id: uuid.UUID, *, is_deleted: bool = False) -> members.Membership:
        newest = queries.people().where(User.organization_id == organization_id)
        newest = newest.order_by(User.created_at.desc(), User.id.desc()).limit(NEWEST)
        people = totals.remaining_in if is_deleted else totals.active_in
        counted = people(organization_id), people(organization_id, UserTotal.role == Role.ADMIN)
        found = db.session.execute(select(*(number.label(None) for number in counted))).one()
        return members.Membership(db.session.execute(newest).all(), *map(Count, found))

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

    def of_restoring(self, organization_id: uuid.UUID) -> list[str]:
        able = queries.active_super_admins_of(organization_id)
        return [sentence for user in db.session.scalars(able) for sentence in of_returning(user, None)]
