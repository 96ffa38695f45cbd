"""Arrange a list: which columns in which order, rows per page and density, remembered for each person."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from flask_login import current_user
from sqlalchemy.dialects.postgresql import insert

from portal.core.actor import SYSTEM
from portal.core.db import acting_as, command, db
from portal.core.listing import PER_PAGE, Listing
from portal.resources.columns import Column
from portal.resources.models import ListArrangement

ARGUMENT = "columns"  # in the URL of a list, names separated by commas
MOST = 60  # names that are read from a URL
is_name = re.compile(r"[a-z_]{1,40}").fullmatch
UNKNOWN = "This list has no column {}, so it was left out."
STRANGE = "Some columns don’t exist in this list, so they were left out."


@dataclass(frozen=True)
class Arrangement:
    """How a list is arranged. Without columns, it has the default ones; without a view, it opens with all rows."""

    columns: tuple[str, ...] = ()
    per_page: int = PER_PAGE[0]
    is_dense: bool = False
    view: str = ""  # the key of a saved view

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Arrangement:
        per_page = stored.get("per_page")
        size = per_page if per_page in PER_PAGE else PER_PAGE[0]
        is_dense, view = bool(stored.get("is_dense")), str(stored.get("view") or "")
        return cls(tuple(stored.get("columns", ())), size, is_dense, view)


def arrangement_of(name: str) -> Arrangement:
    """The person's own arrangement of a list."""
    return Arrangement.of(current_user.lists.get(name, {}))


def remember(user_id: uuid.UUID, name: str, arrangement: Arrangement) -> None:
    """Save a person's arrangement of a list."""
    with acting_as(SYSTEM):
        _remember(user_id, {name: asdict(arrangement)})


@command
def _remember(user_id: uuid.UUID, lists: dict[str, Any]) -> None:
    new = insert(ListArrangement).values(user_id=user_id, lists=lists)
    merged = ListArrangement.lists.op("||")(new.excluded.lists)
    db.session.execute(new.on_conflict_do_update(index_elements=[ListArrangement.user_id], set_={"lists": merged}))


def choices(columns: Iterable[Column]) -> dict[str, Column]:
    """The columns that the person can choose, by name. The title, the first one, is always shown."""
    return {one.name: one for one in columns if one.kind != "title" and one.is_allowed}


def arrange(listing: Listing, columns: Sequence[Column], usual: Arrangement, asked: str | None) -> None:
    """Arrange the list as its URL asks, or as the person usually does."""
    known = choices(columns)
    names = list(dict.fromkeys(name for name in (asked or "").split(",")[:MOST] if name))
    chosen = [name for name in names if name in known]
    listing.usual_per_page = usual.per_page
    if chosen:
        listing.carried = {ARGUMENT: ",".join(chosen)}
    if left_out := [name for name in names if name not in known]:
        listing.refused[ARGUMENT] = _left_out(left_out)
    listing.columns = chosen or [name for name in usual.columns if name in known]
    if read := {name: one() for name in listing.columns if (one := known[name].read)}:
        rows = listing.source.rows.add_columns(*(value.label(name) for name, value in read.items()))
        listing.source = replace(listing.source, rows=rows, is_kept=False)


def _left_out(names: Sequence[str]) -> str:
    """Repeats only what can be a column's name: no page repeats what may be somebody's email address."""
    quoted = [f"“{name.replace('_', ' ')}”" for name in names if is_name(name)]
    return UNKNOWN.format(" and no ".join(quoted)) if len(quoted) == len(names) else STRANGE


def arranged(listing: Listing, columns: Sequence[Column]) -> list[Column]:
    """The columns that the list shows, in order. If they were chosen, narrow screens show all, times with a label."""
    shown = [one for one in columns if one.is_shown(listing)]
    if not listing.columns:
        return [one for one in shown if not one.is_optional]
    by_name = {one.name: replace(one, is_minor=False, is_labeled=one.is_labeled or one.kind == "time") for one in shown}
    title = [one for one in shown if one.kind == "title"]
    return [*title, *(by_name[name] for name in listing.columns if name in by_name)]


def in_order(columns: Sequence[Column], chosen: Sequence[str]) -> list[tuple[Column, bool]]:
    """All columns to choose from, and whether they are chosen: the chosen ones first, in their order."""
    known = choices(columns)
    usual = [name for name, one in known.items() if not one.is_optional]
    first = [name for name in chosen if name in known] or usual
    return [(known[name], name in first) for name in dict.fromkeys([*first, *known])]
