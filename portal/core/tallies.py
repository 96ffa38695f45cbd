"""The numbers of rows beside the tabs of records, counted up to a bound. People have totals: users/totals.py."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.dialects.postgresql import array

from portal.core.actor import current_actor
from portal.core.counts import BOUND, is_counted
from portal.core.keys import NO_KEY, read_key
from portal.core.listing import Listing
from portal.core.scoping import ORGANIZATION_ID


def tally_of(listing: Listing, hidden: Any = None) -> Any:
    """The numbers of active and deleted records, as an array. None with other filters than that by organization.

    Also None if they are too many to count. The list's tabs are `named_tabs`, with the usual visibility. Active rows of
    tenants whose keys are `hidden`, a subquery, don't count.
    """
    if listing.filters.keys() - {"organization"} or not is_counted(listing.about, searched=False):
        return None
    keys = listing.filters.get("organization", "")
    is_unlimited = current_actor().is_unlimited
    return _tally(listing.source.entity, is_unlimited, hidden if is_unlimited else None, keys)


@lru_cache(maxsize=128)
def _tally(entity: Any, is_unlimited: bool, hidden: Any, keys: str) -> Any:
    rows, tenant = entity.every_row("tallied"), entity.tenant()
    inside: list[ColumnElement[bool]] = [] if is_unlimited else [rows.c[tenant.key] == ORGANIZATION_ID]
    if keys:
        inside.append(rows.c[tenant.key].in_([read_key(key) or NO_KEY for key in keys.split(",")]))
    active = [rows.c.deleted_at.is_(None)]
    if hidden is not None:
        active.append(rows.c[tenant.key].not_in(hidden))
    numbers = _bounded(rows, *active, *inside), _bounded(rows, rows.c.deleted_at.is_not(None), *inside)
    return select(array(numbers)).scalar_subquery()


def _bounded(rows: Any, *conditions: ColumnElement[bool]) -> Any:
    some = select(literal(1)).select_from(rows).where(*conditions).limit(BOUND + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()
