"""Fill an empty database with demo data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain, islice
from operator import itemgetter
from random import Random
from typing import Any

from sqlalchemy import select

from portal.core import history
from portal.core.actions import Action
from portal.core.actor import SYSTEM
from portal.core.batch import IMPORT_TRIGGERS, without_triggers
from portal.core.clock import now
from portal.core.db import acting_as, command, copy_rows, db, without_time_limit
from portal.resources.demo import AT_ONCE, Demo, Rows
from portal.resources.relation import by_references
from portal.resources.resource import Resource, resources

SEED = 20_260_101
SEED_ADDED = Action("seed", "added the demo data", "Added demo data", "plus")


def is_empty() -> bool:
    """Whether the database has never contained a row of any resource."""
    with acting_as(SYSTEM):
        firsts = [select(one.records.model.id).limit(1) for one in resources().values()]
        return all(db.session.scalar(one, execution_options={"with_deleted": True}) is None for one in firsts)


def seed_demo(people: int, *, with_sign_ins: bool = True, progress: Callable[[Rows], Rows] = iter) -> dict[str, int]:
    """Fill an empty database with the same rows each time. Returns how many there are of each resource, by its plural.

    The demo's accounts get their public password only `with_sign_ins`. `progress` wraps the iterator of people.
    """
    with acting_as(SYSTEM):
        return _seed_demo(Demo(Random(), now(), people, with_sign_ins, progress))  # noqa: S311 -- replaced below


@command
def _seed_demo(demo: Demo) -> dict[str, int]:
    with without_time_limit():
        made = {one.plural: _fill(one, demo) for one in by_references()}
        made = {plural: many for plural, many in made.items() if many}
        history.record(SEED_ADDED, details={plural: f"{many:,}" for plural, many in made.items()})
        return made


def _fill(resource: Resource[Any], demo: Demo) -> int:
    """Create the resource's rows, and return how many. Statistics are gathered at once, for what follows."""
    random = Random(f"{SEED} {resource.name}")  # noqa: S311 -- believable, not secret
    made: dict[type[Any], int] = {}
    for model, rows in resource.demo(replace(demo, random=random)):
        copied = _copy(model.__tablename__, rows)
        if model not in made:
            db.session.connection().exec_driver_sql(f"ANALYZE {model.__tablename__}")
        made[model] = made.get(model, 0) + copied
    return made.get(resource.records.model, 0)


def _copy(table: str, rows: Rows) -> int:
    """The rows keep their dates. Events can't have past dates, so a single one covers all rows (see batch.py)."""
    coming = iter(rows)
    first = next(coming, None)
    if first is None:
        return 0
    values, copied = map(itemgetter(*first), chain((first,), coming)), 0
    with without_triggers(db.session.connection(), table, IMPORT_TRIGGERS):
        while many := copy_rows(table, tuple(first), islice(values, AT_ONCE)):
            copied += many
    return copied
