"""Read versions of the brand."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Select, bindparam, func, or_, select

from portal.brand.models import BrandVersion
from portal.core.listing import Rows

SHOWN = 20


@cache
def other() -> Rows:
    """The newest version, if it isn't the `known` one, saved at `known_at`; of no values, if there is none any more.

    After a backup was restored, the newest version can have a lower number, or the same with other values.
    """
    newest = select(func.max(BrandVersion.version).label("version")).subquery().c
    own = BrandVersion.name, BrandVersion.accent, BrandVersion.logo, BrandVersion.logo_type
    number, at = func.coalesce(newest.version, 0).label("version"), BrandVersion.at
    found = select(number, at, *own).select_from(newest.version.table)
    found = found.outerjoin(BrandVersion, BrandVersion.version == newest.version)
    known_at = bindparam("known_at", type_=BrandVersion.at.type)
    return found.where(or_(number != bindparam("known"), at.is_distinct_from(known_at)))


def newest() -> Select[BrandVersion]:
    return select(BrandVersion).order_by(BrandVersion.version.desc()).limit(1)


def latest() -> Rows:
    """The newest versions, without the contents of logos."""
    own = BrandVersion.version, BrandVersion.at, BrandVersion.actor_id
    shown = BrandVersion.name, BrandVersion.accent, BrandVersion.logo_type
    return select(*own, *shown).order_by(BrandVersion.version.desc()).limit(SHOWN)
