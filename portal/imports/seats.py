"""Find organizations that don't have enough seats for an import, before anything is imported."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, and_, case, cast, func, literal, select, union_all

from portal.core.actor import Role
from portal.core.bulk import among
from portal.core.counts import number_of
from portal.core.db import db
from portal.imports.importer import Importer
from portal.imports.models import Import, ImportRow
from portal.imports.people_by_sql import role_of
from portal.organizations.models import Organization
from portal.users.models import User
from portal.users.totals import seats_in

SHOWN = 10


@dataclass(frozen=True)
class Shortage:
    """An organization whose seats are too few: how many it has, uses, and would use besides."""

    name: str
    seats: int
    used: int
    needed: int

    def __str__(self) -> str:
        have = f"{self.name} has {number_of(self.seats, 'seat')}, {self.used:,} in use"
        more = self.used + self.needed - self.seats
        return f"{have}. This needs {self.needed:,} more, which is {more:,} too many."


def shortages(one: Import, importer: Importer) -> Sequence[Shortage]:
    """The organizations without enough seats, the largest shortage first, at most `SHOWN`.

    New people are created before others are deactivated, so seats that the import frees aren't counted for them.
    """
    limited: Sequence[uuid.UUID] = ()
    if importer.resource.are_people:
        limited = db.session.scalars(select(Organization.id).where(Organization.seat_limit.is_not(None))).all()
    if not limited:
        return ()
    overwrites = one.options.get("overwrites", ())
    counts: list[Any] = [_created(one, limited)]
    if {"role", "is_active", "activates_on"} & {*overwrites}:
        counts.append(_updated(one, limited, overwrites))
    each: Any = union_all(*counts).subquery()
    needed = cast(func.sum(each.c.new) + func.greatest(func.sum(each.c.more), 0), Integer).label("needed")
    wanted = select(each.c.home, needed).group_by(each.c.home).subquery()
    used = seats_in(Organization.id).label("used")
    short = (used + wanted.c.needed - Organization.seat_limit).label("short")
    found: Any = (
        select(Organization.name, Organization.seat_limit, used, wanted.c.needed)
        .join(wanted, wanted.c.home == Organization.id)
        .where(wanted.c.needed > 0, short > 0)
        .order_by(short.desc(), Organization.sort_name)
    )
    rows = db.session.execute(found.limit(SHOWN))
    return [Shortage(row.name, row.seat_limit, row.used, row.needed) for row in rows]


def _created(one: Import, limited: Sequence[uuid.UUID]) -> Any:
    """The seats of new people, by organization."""
    is_on = and_(func.coalesce(ImportRow.is_active, True), ImportRow.activates_on.is_(None))
    is_super = func.coalesce(ImportRow.role, role_of(one)) == Role.SUPER_ADMIN
    rows = ImportRow.import_id == one.id, ImportRow.verdict == "create", among(ImportRow.home_id, limited)
    counted = select(ImportRow.home_id.label("home"), func.count().label("new"), literal(0).label("more"))
    return counted.where(*rows, is_on, ~is_super).group_by(ImportRow.home_id)


def _updated(one: Import, limited: Sequence[uuid.UUID], overwrites: Sequence[str]) -> Any:
    """How many more seats people take who are overwritten, by organization."""
    is_on: Any = func.coalesce(ImportRow.is_active, User.is_active) if "is_active" in overwrites else User.is_active
    if "activates_on" in overwrites:
        is_on = and_(is_on, ImportRow.activates_on.is_(None))
    role: Any = func.coalesce(ImportRow.role, User.role) if "role" in overwrites else User.role
    seat = [
        case((and_(is_active, kind != Role.SUPER_ADMIN), 1), else_=0)
        for is_active, kind in ((is_on, role), (User.is_active, User.role))
    ]
    counted = select(User.organization_id, literal(0), func.sum(seat[0] - seat[1])).join(
        ImportRow, ImportRow.row_id == User.id
    )
    rows = ImportRow.import_id == one.id, ImportRow.verdict == "update", among(User.organization_id, limited)
    return counted.where(*rows).group_by(User.organization_id)
