"""Which resources can be imported, and by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from portal.core.db import db
from portal.imports import staging
from portal.imports.described import Described
from portal.imports.importer import Importer
from portal.imports.models import Import
from portal.imports.people_by_sql import People
from portal.imports.uploads import Staged
from portal.resources.resource import resources

PEOPLE = People()


def offered() -> Mapping[str, Importer]:
    """What the actor may import, by the name of the table."""
    described = (Described(one) for one in resources().values() if one.imported)
    every = (PEOPLE, *described)
    return {one.resource.name: one for one in every if one.is_offered()}


def importer_of(one: Import) -> Importer:
    """What checks and imports its rows."""
    return PEOPLE if one.resource == PEOPLE.resource.name else Described(resources()[one.resource])


def store(one: Import, rows: Sequence[Staged]) -> bool:
    """Store the next rows, and check them. Returns whether the following ones may be checked."""
    first = one.total + 1
    columns = dict(zip(staging.COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    db.session.execute(staging.STORE, {**columns, "import_id": one.id, "tenant": one.organization_id})
    one.total += len(rows)
    return importer_of(one).check(one, first, one.total)
