"""The names of the people in `created_by`, `updated_by` and `deleted_by`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from portal.web.given import Given

NamesOf = Callable[[Iterable[uuid.UUID]], Mapping[uuid.UUID, str]]

SYSTEM_NAME = "the system"
OUTSIDER = "system administrator"
STAMPS = ("created_by", "updated_by", "deleted_by")

names_of: Given[NamesOf] = Given("names of people")


def name_of(person: uuid.UUID | None) -> str:
    """A person's name, or 'system administrator' if the person is outside the actor's tenant."""
    return _name(person, names_of()([person] if person else []))


def stamps_of(row: Any) -> dict[str, str]:
    """The names of the people who created, changed and deleted a row, by column."""
    people = {stamp: getattr(row, stamp) for stamp in STAMPS}
    names = names_of()([person for person in people.values() if person])
    return {stamp: _name(person, names) for stamp, person in people.items()}


def _name(person: uuid.UUID | None, names: Mapping[uuid.UUID, str]) -> str:
    return SYSTEM_NAME if person is None else names.get(person, OUTSIDER)
