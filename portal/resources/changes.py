"""Wording of changes for the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Wording(NamedTuple):
    """The wording of a change in the history: `who verb preposition row`."""

    verb: str
    preposition: str = "of"
    says_all: bool = True  # whether the values aren't shown in addition
    names_field: bool = False


def changed(
    changes: Mapping[str, Any] | None, labels: Mapping[str, str], switches: Mapping[str, tuple[Wording, Wording]]
) -> Wording:
    """Name the changed field, using its switch if it has one; for several fields, their number."""
    names = [name for name in changes or {} if name in labels]
    if not changes or len(names) != 1:
        return Wording(f"changed {len(names)} fields", says_all=False)
    if len(changes) == 1 and names[0] in switches:
        return switches[names[0]][bool(changes[names[0]][1])]
    label = labels[names[0]]
    return Wording(f"changed the {label[0].lower()}{label[1:]}", says_all=False, names_field=True)


def in_words(value: Any) -> str | None:
    """A value in words; None if empty."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
