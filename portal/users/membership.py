"""Provide organizations with their people: counts, the newest ones, and checks before deletion."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import func, literal, select

from portal.core.actor import Role, current_actor
from portal.core.counts import BOUND, Count, counted
from portal.core.db import db
from portal.organizations import members
from portal.organizations.models import Organization
from portal.users import queries
from portal.users.closing import of_closing
from portal.users.commands import keep_a_super_admin
from portal.users.consequences import of_returning
from portal.users.models import User

NEWEST = 8


class People:
    """The provider for portal/organizations/members.py."""

    def counted(self) -> Any:
        rows = select(literal(1)).select_from(User).where(User.organization_id == Organization.id)
        active = rows.where(User.deleted_at.is_(None), queries.ACCEPTED)
        some = active.limit(BOUND + 1).correlate(Organization).lateral()
        return select(func.count()).select_from(some).scalar_subquery().label("people")

    def of(self, organization_id: uuid.UUID, *, is_deleted: bool = False) -> members.Membership:
        inside = User.organization_id == organization_id
        able = select(User).where(inside) if is_deleted else select(User).where(inside, queries.ACCEPTED)
        newest = queries.people().where(inside).order_by(User.created_at.desc(), User.id.desc()).limit(NEWEST)
        return members.Membership(
            db.session.execute(newest).all(),
            counted(able) if is_deleted else _active_of(organization_id),
            counted(able.where(User.role == Role.ADMIN)),
        )

    def before_delete(self, organization_id: uuid.UUID) -> None:
        leaving = select(User).where(User.organization_id == organization_id, User.role == Role.SUPER_ADMIN)
        keep_a_super_admin(*db.session.scalars(leaving.order_by(User.id)))

    def of_deleting(self, organization_id: uuid.UUID) -> list[str]:
        return of_closing(organization_id)

    def of_restoring(self, organization_id: uuid.UUID) -> list[str]:
        able = queries.active_super_admins_of(organization_id)
        return [sentence for user in db.session.scalars(able) for sentence in of_returning(user, None)]


def _active_of(organization_id: uuid.UUID) -> Count:
    is_own = organization_id == current_actor().organization_id
    own = queries.count_of_own("active", BOUND + 1) if is_own else None
    if own is None:
        return counted(select(User).where(User.organization_id == organization_id, queries.ACCEPTED))
    return Count.bounded(db.session.scalar(select(own)) or 0, BOUND)
