"""Word events as sentences that say no more than the reader may know."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from string import Formatter
from typing import Any

from sqlalchemy import Row

from portal.activity.row_names import Key, Names, key_of
from portal.core.actions import Action
from portal.core.actor import current_actor
from portal.core.email_addresses import readable_email
from portal.core.policy import allows
from portal.resources.changes import Wording
from portal.resources.resource import Resource, resources
from portal.web.given import actions

UNKNOWN = "an unknown email address"


@dataclass(frozen=True)
class Part:
    """A part of a sentence: words, a value, or a name, with a link if the reader may open it."""

    text: str
    key: Key | None = None
    is_code: bool = False

    @property
    def url(self) -> str | None:
        return url_of(resources()[self.key[0]]) if self.key else None

    @property
    def row_id(self) -> uuid.UUID | None:
        return self.key[1] if self.key else None


def action_of(event: Row[Any]) -> Action:
    """The event's action; one without wording if no feature declares it any more."""
    return actions().get(event.action) or Action(event.action, event.action, event.action)


def url_of(resource: Resource[Any]) -> str | None:
    """The endpoint of a row's page, for those who may read it."""
    return f"{resource.name}.show" if allows(current_actor(), resource.permissions.read) else None


def wording_of(event: Row[Any], action: Action) -> Wording:
    """The verb, and how it leads to the row."""
    resource = resources().get(event.table_name)
    if event.action == "update" and resource:
        return resource.wording(event)
    preposition = "with" if action.is_attempt and event.row_id is None and action.preposition else action.preposition
    return Wording(_verb(event, action), preposition, is_complete=action.hides_values)


def _verb(event: Row[Any], action: Action) -> str:
    if action.verb_own and event.actor_id == event.row_id:
        return action.verb_own
    return action.verb_with if action.verb_with and event.changes else action.verb


def keys_in(event: Row[Any]) -> Iterator[Key]:
    """The rows that the event's sentence names besides its own."""
    for place in _placeholders(event, action_of(event)):
        if key := key_of(place, _detail(event, place)):
            yield key


def _placeholders(event: Row[Any], action: Action) -> list[str]:
    return [field for _, field, _, _ in Formatter().parse(_verb(event, action)) if field]


def _detail(event: Row[Any], name: str) -> Any:
    change = (event.changes or {}).get(name)
    return change[1] if change and len(change) == 2 else None


def parts_of(event: Row[Any], action: Action, verb: str, names: Names) -> tuple[list[Part], list[Part]]:
    """The sentence before the name of the event's own row, and what follows that name."""
    if event.action == "update":
        return [Part(verb)], []
    before, after = list[Part](), list[Part]()
    parts = before
    for words, place, _, _ in Formatter().parse(verb):
        if words.strip():
            parts.append(Part(words.strip()))
        if place and place == event.table_name:
            parts = after
        elif place:
            parts.append(_filled(event, action, place, names))
    return before, after


def _filled(event: Row[Any], action: Action, place: str, names: Names) -> Part:
    value, resource = _detail(event, place), resources().get(place)
    if resource:
        key = key_of(place, value)
        known = names.get(key) if key else None
        return Part(known, key) if known else Part("somebody" if resource.are_people else "something")
    text = "" if value is None else str(value)
    return Part(action.worded(text)) if action.worded else Part(text, is_code=True)


def details_in_sentence(event: Row[Any], action: Action) -> dict[str, bool]:
    """The details that the sentence contains, and whether it shows their values as they are."""
    return {name: name not in resources() and not action.worded for name in _placeholders(event, action)}


def subject_of(event: Row[Any], action: Action) -> str | None:
    """What the event is about. None if that is nothing, or only whoever did it."""
    if event.row_id is None:
        return event.table_name or (UNKNOWN if action.is_attempt else None)
    if action.is_own:
        return None
    known: str | None = event.row_name or event.former_name
    changes = event.changes or {}  # empty if the values were erased
    if known is None and event.action == "remove":
        known = (changes.get("name") or changes.get("email") or [None])[0]
    noun = resources()[event.table_name].noun if event.table_name in resources() else "record"
    return readable_email(known) if known else f"a {noun} that no longer exists"


def icon_of(event: Row[Any], action: Action) -> str:
    """The mark's class in static/css/components.css."""
    resource = resources().get(event.table_name)
    if event.undoes is not None:
        return "arrow-back-up"
    if resource is None:
        return action.icon
    if event.action == "create" and resource.are_people:
        return resource.icon_new
    changed = [icon for name, icon in resource.icons.items() if name in (event.changes or {})]
    return changed[0] if changed and event.action == "update" else action.icon
