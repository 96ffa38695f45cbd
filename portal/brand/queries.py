"""Read versions of the brand."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Select, bindparam, select

from portal.brand.models import BrandVersion
from portal.core.listing import Rows

SHOWN = 20


@cache
def newer() -> Rows:
    """The newest version, if it is newer than the version `known`."""
    wanted = BrandVersion.version > bindparam("known")
    own = BrandVersion.version, BrandVersion.name, BrandVersion.accent, BrandVersion.logo, BrandVersion.logo_type
    return select(*own).where(wanted).order_by(BrandVersion.version.desc()).limit(1)


def newest() -> Select[BrandVersion]:
    return select(BrandVersion).order_by(BrandVersion.version.desc()).limit(1)


def latest() -> Rows:
    """The newest versions, without the contents of logos."""
    own = BrandVersion.version, BrandVersion.at, BrandVersion.actor_id
    shown = BrandVersion.name, BrandVersion.accent, BrandVersion.logo_type
    return select(*own, *shown).order_by(BrandVersion.version.desc()).limit(SHOWN)
