"""Wording of changes for the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Wording(NamedTuple):
    """The wording of a change in the history: `actor verb preposition row`."""

    verb: str
    preposition: str = "of"
    is_complete: bool = True  # the verb contains the values, so they aren't listed
    names_field: bool = False


def changed(
    changes: Mapping[str, Any] | None, labels: Mapping[str, str], switches: Mapping[str, tuple[Wording, Wording]]
) -> Wording:
    """Name the changed field, using its switch if it has one; for several fields, their number."""
    names = [name for name in changes or {} if name in labels]
    if not changes or not names:
        return Wording("changed", "", is_complete=False)
    if len(names) > 1:
        return Wording(f"changed {len(names)} fields", is_complete=False)
    if len(changes) == 1 and names[0] in switches:
        return switches[names[0]][bool(changes[names[0]][1])]
    return Wording(f"changed the {inside(labels[names[0]])}", is_complete=False, names_field=True)


def inside(label: str) -> str:
    """A label within a sentence: `email`, but `URL name`."""
    return label if label[:2].isupper() else f"{label[0].lower()}{label[1:]}"


def in_words(value: Any) -> str | None:
    """A value in words; None if empty."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
