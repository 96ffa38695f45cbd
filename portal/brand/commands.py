"""Change the brand of the installation, and read it for the pages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from portal.brand import queries
from portal.brand.models import BrandVersion
from portal.branding import Logo, logo_of, read_accent, read_name
from portal.core.db import command, db, first_as_system
from portal.core.errors import Conflict, Missing
from portal.web.brand import Brand

Given = TypeVar("Given")
Shown = TypeVar("Shown")
STALE = "Someone else saved changes while you were editing. Check what is shown below, then save again."
log = logging.getLogger("portal")


@dataclass(frozen=True)
class Values:
    """What a SUPER_ADMIN chose. None is the operator's or the portal's own."""

    name: str | None = None
    accent: str | None = None
    logo: Logo | None = None


def other_than(known: Brand) -> Brand | None:
    """The newest version, if it isn't the known one. What another program wrote wrongly is left out."""
    row = first_as_system(queries.other(), known=known.version, known_at=known.at)
    if row is None:
        return None
    logo = bytes(row.logo) if row.logo is not None else None
    name, accent = _read(read_name, row.name), _read(read_accent, row.accent)
    return Brand(row.version, name, accent, _read(logo_of, logo), row.at)


def _read(read: Callable[[Given], Shown], value: Given | None) -> Shown | None:
    try:
        return read(value) if value else None
    except ValueError as error:
        log.warning("a value of the brand can't be used: it %s", error)
        return None


def newest() -> tuple[int, Values]:
    """The number and values of the newest version."""
    row = db.session.scalar(queries.newest())
    return (row.version, _values(row)) if row else (0, Values())


@command
def save(values: Values, seen: int) -> bool:
    """Add a version after `seen`. False if nothing differs. Raises Conflict if there is another one since."""
    current, former = newest()
    if current != seen:
        raise Conflict(None, STALE)
    if values == former:
        return False
    logo, kind = (values.logo.content, values.logo.mimetype) if values.logo else (None, None)
    added = BrandVersion(version=seen + 1, name=values.name, accent=values.accent, logo=logo, logo_type=kind)
    db.session.add(added)
    return True


@command
def restore(version: int, seen: int) -> bool:
    """Add a version with the values of an earlier one; 0 is none of its own. Raises Missing, and as `save`."""
    row = db.session.get(BrandVersion, version) if version else None
    if version and row is None:
        raise Missing
    return save(_values(row) if row else Values(), seen)


def _values(row: BrandVersion) -> Values:
    logo = Logo(bytes(row.logo), row.logo_type) if row.logo is not None and row.logo_type else None
    return Values(row.name, row.accent, logo)
