"""Entries of the history as people read them: sentences and changed fields, no more than the reader may know."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Row

from portal.activity.row_names import Key, Names, in_words, key_of, names_of
from portal.activity.undoable import Undo, undoable_among
from portal.activity.wording import (
    Part,
    action_of,
    details_in_sentence,
    icon_of,
    keys_in,
    parts_of,
    subject_of,
    url_of,
    wording_of,
)
from portal.core.actions import Action
from portal.core.actor import Role, current_actor
from portal.core.clock import local, now
from portal.core.email_addresses import readable_email
from portal.core.history import came
from portal.resources.resource import resources
from portal.users.queries import REMOVED_NAME, colleagues, removed
from portal.web.agents import browser_of
from portal.web.jinja import day
from portal.web.people import OUTSIDER, SYSTEM_NAME

SOMEBODY = "Somebody"


@dataclass(frozen=True)
class Difference:
    """A changed field. None is an empty value; values of secrets aren't kept."""

    label: str
    before: str | None
    after: str | None
    is_secret: bool = False
    is_in_sentence: bool = False  # the sentence contains it
    has_before: bool = True  # False if there was none, or if it is in another tenant and the reader may not know it


@dataclass(frozen=True)
class Entry:
    """One event as people read it: `actor verb preposition subject after`, then the differences."""

    at: datetime
    operation_id: uuid.UUID
    icon: str  # the mark's class in static/css/components.css
    actor: str
    actor_id: uuid.UUID | None  # None where the reader may not know
    verb: Sequence[Part]
    preposition: str
    after: Sequence[Part]
    table: str | None
    row_id: uuid.UUID | None
    url: str | None  # the endpoint of the row's page
    undo: Undo | None  # None if it can't be undone
    names_field: bool  # the sentence names the field
    is_complete: bool  # the sentence contains the values too
    is_new: bool  # the row was created
    subject: str | None  # None if the event is about nothing, or about whoever did it
    differences: Sequence[Difference]
    is_undo: bool
    times: int
    rest: int  # further events of the same operation
    address: str | None
    agent: str | None
    request_id: str | None

    @property
    def is_own(self) -> bool:
        """Whether it is about whoever did it."""
        return self.actor_id is not None and self.actor_id == self.row_id

    @property
    def what(self) -> str:
        """What was done, without by whom and to whom."""
        before, after = (" ".join(one.text for one in parts) for parts in (self.verb, self.after))
        return " ".join(filter(None, (before, self.preposition, after)))

    @property
    def origin(self) -> str | None:
        """The client's address and browser, in a few words."""
        return ", ".join(filter(None, (self.address, self.agent and browser_of(self.agent)))) or None


@dataclass(frozen=True)
class _Lookups:
    """What was looked up for all entries of a page."""

    colleagues: Mapping[uuid.UUID, str]
    removed: Set[uuid.UUID]
    names: Names
    undoable: Mapping[uuid.UUID, Undo]


def entries_of(
    rows: Iterable[Row[Any]], *, of_one_row: bool = False, briefly: bool = False, one_by_one: bool = False
) -> list[Entry]:
    """The entries of events. Undo is offered where it has an effect; of one row, only on the newest change of a field.

    `briefly` offers no undo and looks up no names for values. `one_by_one` offers no undo either, and keeps the events
    that another event's sentence covers.
    """
    events = list(rows)
    unknown = [row.actor_id for row in events if row.actor_id and row.actor_name is None]
    known = colleagues(unknown) if current_actor().role is Role.USER else {}
    lookups = _Lookups(
        colleagues=known,
        removed=removed(one for one in unknown if one not in known),
        names=names_of(key for row in events for key in _keys(row, briefly)),
        undoable={} if briefly or one_by_one else undoable_among(events, of_one_row=of_one_row),
    )
    entries = [_entry(row, action_of(row), lookups) for row in events]
    return entries if one_by_one else list(_combined(events, entries))


def _keys(row: Row[Any], briefly: bool) -> Iterator[Key]:
    """The rows whose names the entry contains."""
    yield from keys_in(row)
    resource = resources().get(row.table_name)
    if resource and not briefly:
        for name, change in (row.changes or {}).items():
            yield from filter(None, (key_of(resource.references.get(name), value) for value in change))


def _combined(events: Iterable[Row[Any]], entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries; one whose sentence covers the rest of its operation takes the others' place and their values."""
    pairs = [(event, action_of(event).covers, entry) for event, entry in zip(events, entries, strict=True)]
    covering = {event.operation_id for event, covers, _ in pairs if covers}
    for event, covers, entry in pairs:
        if covers:
            rest = [one for it, _, other in pairs if it.operation_id == event.operation_id for one in other.differences]
            yield replace(entry, differences=[one for one in rest if not one.is_secret])
        elif event.operation_id not in covering:
            yield entry


def days(entries: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    """The entries of each day, in the reader's time zone, with its name."""
    return [(name, list(ones)) for name, ones in groupby(entries, lambda entry: _day_name(entry.at))]


def _day_name(at: datetime) -> str:
    then, today = local(at).date(), local(now()).date()
    return {today: "Today", today - timedelta(days=1): "Yesterday"}.get(then, day(then))


def _entry(row: Row[Any], action: Action, lookups: _Lookups) -> Entry:
    is_hidden = row.actor_name is None and not current_actor().is_unlimited and (row.actor_id or row.actor_role is None)
    wording = wording_of(row, action)
    verb, after = parts_of(row, action, wording.verb, lookups.names)
    resource = resources().get(row.table_name)
    actor, is_named = _actor(row, action, lookups)
    return Entry(
        at=row.at,
        operation_id=row.operation_id,
        icon=icon_of(row, action),
        actor=actor,
        actor_id=row.actor_id if is_named else None,
        verb=verb,
        preposition=wording.preposition,
        after=after,
        table=row.table_name,
        row_id=row.row_id,
        url=url_of(resource) if resource and row.row_name else None,
        undo=lookups.undoable.get(row.id),
        names_field=wording.names_field,
        is_complete=wording.is_complete,
        is_new=row.action == "create",
        subject=subject_of(row, action),
        differences=list(_differences(row, action, lookups.names)),
        is_undo=row.undoes is not None,
        times=row.times,
        rest=max(row.rest - action.covers, 0),
        address=None if is_hidden else row.address,
        agent=None if is_hidden else row.agent,
        request_id=None if is_hidden else row.request_id,
    )


def _actor(row: Row[Any], action: Action, lookups: _Lookups) -> tuple[str, bool]:
    """Who did it, and whether that is a person whom the reader may know."""
    name = readable_email(row.actor_name or lookups.colleagues.get(row.actor_id) or "")  # no name: the address
    if name:
        return name, True
    return REMOVED_NAME.capitalize() if row.actor_id in lookups.removed else _unnamed(row, action), False


def _unnamed(row: Row[Any], action: Action) -> str:
    """What to call an actor without a name: the system, a stranger, another program, or a hidden person."""
    if action.is_attempt and row.actor_id is None:
        return SOMEBODY
    if row.actor_id is None and row.actor_role is not None:
        return SYSTEM_NAME.capitalize()
    if not current_actor().is_unlimited:
        return OUTSIDER.capitalize()
    return f"The database user {row.database_user}"


def _differences(row: Row[Any], action: Action, names: Names) -> Iterator[Difference]:
    resource = resources().get(row.table_name)
    labels = resource.labels if resource else {}
    other = resource is not None and came(resource.records.model, row.changes or {})
    details = details_in_sentence(row, action)
    for name, change in (row.changes or {}).items():
        if details.get(name) is False or (name not in labels and resource and row.row_version is not None):
            continue  # the sentence says it, as it does of deleted_at
        label = labels.get(name, name.capitalize())
        if not change:
            yield Difference(label, None, None, is_secret=True)
        else:
            before, after = (in_words(resource, name, value, names) for value in change)
            has_before = not other and (row.row_version is not None or before is not None)
            yield Difference(
                label, before if has_before else None, after, is_in_sentence=name in details, has_before=has_before
            )
