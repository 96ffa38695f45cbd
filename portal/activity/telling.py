"""How is the history told? Events become sentences that say no more than the reader may know."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Row

from portal.activity.undoable import undoable_among
from portal.activity.words import (
    ICONS,
    ICONS_OF_FIELDS,
    TELLS_TOO,
    TURNS,
    TWO_FACTOR_CHANGES,
    VERBS,
    fields,
    verb_of_values,
)
from portal.core.actor import Role, current_actor
from portal.core.clock import local, now
from portal.core.email_addresses import readable_email
from portal.core.history import came
from portal.mfa.words import MEANS
from portal.organizations import queries as organizations
from portal.resources.resource import resources
from portal.users.queries import REMOVED_NAME, colleagues, removed
from portal.web.agents import browser_of
from portal.web.jinja import day
from portal.web.people import OUTSIDER, SYSTEM_NAME
from portal.web.zones import label_of

SOMEBODY = "Somebody"
ELSEWHERE = "another organization"
GUESSES = ("sign_in_failed", "rate_limited", "reset_asked", "replay", "two_factor_failed")
ABOUT_ONESELF = ("sign_in", "sign_out", "invitation_accepted", "reset_used", "token_made", "token_revoked")
OF_TABLES = ("browser_opened", "browser_copied")
TOLD = {"refused": " to", "browser_queried": ":", "browser_copied": " with the key"}


@dataclass(frozen=True)
class Difference:
    """A changed field. None is an empty value; a secret's values are not told."""

    label: str
    before: str | None
    after: str | None
    is_secret: bool = False
    told: str | None = None  # for what the application noted of an act: the word before it in the sentence
    had_other: bool = False  # there was a value before, in another tenant, which is not the reader's to know


@dataclass(frozen=True)
class Entry:
    """One event as people read it: `who verb preposition subject`, then the differences."""

    at: datetime
    operation_id: uuid.UUID
    icon: str  # the mark's class in static/css/components.css
    who: str
    who_id: uuid.UUID | None  # None where the reader may not know
    verb: str
    preposition: str
    table: str | None
    row_id: uuid.UUID | None
    url: str | None  # the endpoint of the row's page
    undo: str | None  # the endpoint that undoes
    names_no_field: bool  # the sentence does not say which field
    says_all: bool  # the sentence says the values too
    is_change: bool  # of a row; else a sign-in, a refusal and the like
    subject: str | None  # None where the act is about nothing, or about the one who acts
    differences: Sequence[Difference]
    is_undo: bool
    times: int
    rest: int  # further events of the same operation
    address: str | None
    agent: str | None
    request_id: str | None
    version: int | None  # to be undone by; None where it can't be

    @property
    def is_own(self) -> bool:
        """Whether it is about the one who acts."""
        return self.who_id is not None and self.who_id == self.row_id

    @property
    def origin(self) -> str | None:
        """From where it was done, in few words."""
        return ", ".join(filter(None, (self.address, self.agent and browser_of(self.agent)))) or None


def told(
    rows: Iterable[Row[Any]], *, of_one_row: bool = False, briefly: bool = False, one_by_one: bool = False
) -> list[Entry]:
    """The entries of events, newest first. Undo is offered where it has an effect; for one row, on the newest.

    Told briefly, organizations among the values are not looked up. What one sentence tells is else one entry.
    """
    events = list(rows)
    unknown = [row.actor_id for row in events if row.actor_id and row.actor_name is None]
    names = colleagues(unknown) if current_actor().role is Role.USER else {}
    gone = removed(one for one in unknown if one not in names)
    houses = {} if briefly else organizations.names_of(_houses(events))
    undoable = set() if briefly else undoable_among(events, of_one_row=of_one_row)
    entries = [_entry(row, names, gone, houses, is_undoable=row.id in undoable) for row in events]
    return entries if one_by_one else list(_in_one(events, entries))


def _in_one(events: Iterable[Row[Any]], entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, but that whose sentence tells of the rest of its act takes the rest's place, and its values."""
    pairs = list(zip(events, entries, strict=True))
    tellers = {event.operation_id for event, _ in pairs if event.action in TELLS_TOO}
    for event, entry in pairs:
        if event.action in TELLS_TOO:
            rest = [one for _, other in pairs if other.operation_id == event.operation_id for one in other.differences]
            yield replace(entry, differences=[one for one in rest if not one.is_secret])
        elif event.operation_id not in tellers:
            yield entry


def days(entries: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    """The entries of each day, where the reader is, under its name."""
    return [(name, list(ones)) for name, ones in groupby(entries, lambda entry: _day_name(entry.at))]


def _day_name(at: datetime) -> str:
    then, today = local(at).date(), local(now()).date()
    return {today: "Today", today - timedelta(days=1): "Yesterday"}.get(then, day(then))


def _entry(
    row: Row[Any],
    names: Mapping[uuid.UUID, str],
    gone: Set[uuid.UUID],
    houses: Mapping[uuid.UUID, str],
    *,
    is_undoable: bool,
) -> Entry:
    name = readable_email(row.actor_name or names.get(row.actor_id) or "") or None  # no name: the address
    is_hidden = row.actor_name is None and not current_actor().is_unlimited and (row.actor_id or row.actor_role is None)
    verb, preposition = _verb(row)
    resource = resources().get(row.table_name)
    return Entry(
        at=row.at,
        operation_id=row.operation_id,
        icon=_icon(row),
        who=name or (REMOVED_NAME.capitalize() if row.actor_id in gone else _unnamed(row)),
        who_id=row.actor_id if name else None,
        verb=verb,
        preposition=preposition,
        table=row.table_name,
        row_id=row.row_id,
        url=f"{resource.name}.show" if resource and row.row_name else None,
        undo=resource.undo_endpoint if resource else None,
        names_no_field=not verb.startswith("changed the"),
        says_all=row.action == "password_reset" or _says_all(row.changes or {}),
        is_change=row.row_version is not None,
        subject=_subject(row),
        differences=list(_differences(row, houses)),
        is_undo=row.undoes is not None,
        times=row.times,
        rest=max(row.rest - TELLS_TOO.get(row.action, 0), 0),
        address=None if is_hidden else row.address,
        agent=None if is_hidden else row.agent,
        request_id=None if is_hidden else row.request_id,
        version=row.row_version if is_undoable else None,
    )


def _unnamed(row: Row[Any]) -> str:
    """Whoever has no name: the system, a stranger, another program, or a person whom the reader may not know."""
    if row.action in GUESSES and row.actor_id is None:
        return SOMEBODY
    if row.actor_id is None and row.actor_role is not None:
        return SYSTEM_NAME.capitalize()
    if not current_actor().is_unlimited:
        return OUTSIDER.capitalize()
    return f"The database user {row.database_user}"


def _icon(row: Row[Any]) -> str:
    changed = next((ICONS_OF_FIELDS[name] for name in ICONS_OF_FIELDS if name in (row.changes or {})), None)
    if row.undoes is not None:
        return "arrow-back-up"
    if row.action == "create" and row.table_name in resources():
        return resources()[row.table_name].icon_new
    return (changed if row.action == "update" else None) or ICONS.get(row.action, "edit")


def _verb(row: Row[Any]) -> tuple[str, str]:
    """What was done, and the word between that and whom or what it was done to."""
    if row.action in ("sign_in_failed", "two_factor_failed"):
        return VERBS[row.action], "as" if row.row_id else "under"
    if row.action == "browser_copied":
        return VERBS[row.action], "of the table"
    changes: dict[str, Any] = row.changes or {}
    if special := verb_of_values(row.action, changes):
        return special
    if row.action != "update":
        is_other = row.action == "end_sessions" and row.actor_id == row.row_id
        return "ended all other sign-ins of" if is_other else VERBS.get(row.action, row.action), ""
    if "password" in changes:
        return _verb_of_password(row, changes)
    beside = ("email_verified", "pending_email") if "email" in changes else ()
    known = fields()
    names = [name for name in changes if name in known and name not in beside]
    if len(names) != 1:
        return f"changed {len(names)} fields", "of"
    if _says_all(changes):
        return TURNS[names[0]][bool(changes[names[0]][1])]
    label = known[names[0]]
    return f"changed the {label[0].lower()}{label[1:]}", "of"


def _verb_of_password(row: Row[Any], changes: Mapping[str, Any]) -> tuple[str, str]:
    if row.actor_role == "SYSTEM" and row.address:  # at a sign-in: the same password, hashed with more care
        return "renewed how the password is kept", "of"
    is_reset = (changes.get("must_change_password") or [None, None])[1]
    return ("reset the password", "of") if is_reset else ("set a new password", "for")


def _says_all(changes: Mapping[str, Any]) -> bool:
    """Whether the verb tells the change: of a password there is no more to tell, of a yes or no neither."""
    names = set(changes)
    is_one = len(names) == 1 and names <= {*TURNS, "pending_email"}
    return is_one or (bool(names) and names <= {"password", "must_change_password"})


def _subject(row: Row[Any]) -> str | None:
    if row.action in OF_TABLES:
        return row.table_name  # type: ignore[no-any-return]
    if row.row_id is None:
        return "an address that nobody has" if row.action in GUESSES else None
    if row.action in (*ABOUT_ONESELF, *TWO_FACTOR_CHANGES):
        return None
    known: str | None = row.row_name or row.former_name
    changes = row.changes or {}  # empty where the values were erased
    if known is None and row.action == "remove":
        known = (changes.get("name") or changes.get("email") or [None])[0]
    noun = resources()[row.table_name].noun if row.table_name in resources() else "record"
    return readable_email(known) if known else f"a {noun} that no longer exists"


def _differences(row: Row[Any], houses: Mapping[uuid.UUID, str]) -> Iterator[Difference]:
    labels, resource = fields(), resources().get(row.table_name)
    other = resource is not None and came(resource.records.model, row.changes or {})
    for name, change in (row.changes or {}).items():
        if name == MEANS or (name not in labels and resource and row.row_version is not None):
            continue  # as deleted_at, which the verb says
        label = labels.get(name, name.capitalize())
        if not change:
            yield Difference(label, None, None, is_secret=True)
        else:
            before, after = (shown(name, value, houses) for value in change)
            known = None if other else before
            yield Difference(label, known, after, told=TOLD.get(row.action), had_other=other)


def shown(name: str, value: Any, houses: Mapping[uuid.UUID, str]) -> str | None:
    """A value as people read it."""
    if name == "time_zone":
        return label_of(value)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "role":
        return value.label if isinstance(value, Role) else Role[value].label
    if name == "organization_id":
        return houses.get(uuid.UUID(str(value)), ELSEWHERE)
    return readable_email(str(value)) if name in ("email", "pending_email") else str(value)


def _houses(rows: Iterable[Row[Any]]) -> set[uuid.UUID]:
    changes = ((row.changes or {}).get("organization_id") or () for row in rows)
    return {uuid.UUID(value) for change in changes for value in change if value}
