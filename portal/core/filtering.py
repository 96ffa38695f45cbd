"""The filters in a list's URL: their values and conditions, and error messages for those without effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnExpressionArgument

from portal.core import ignored
from portal.core.keys import read_key
from portal.core.sources import Filter
from portal.core.terms import LONGEST

MOST = 20  # values per filter
COMMAS = 2  # in one of several entered names
TOO_MANY = f"Only the first {MOST} values are applied."


@dataclass
class Chosen:
    """The valid filters with their values as in URLs, error messages for the others, and the text that was entered."""

    values: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    conditions: list[ColumnExpressionArgument[bool]] = field(default_factory=list)
    sort: str = ""  # of the first filter that has one


def chosen(filters: Mapping[str, Filter], arguments: Mapping[str, str]) -> Chosen:
    found = Chosen()
    for name, one in filters.items():
        if value := arguments.get(name, ""):
            _choose(found, name, one, value)
    return found


def values_of(one: Filter, value: str) -> list[str]:
    """The values of a filter: several if it allows that and they are keys or choices, separated by commas."""
    if one.any_of is None or "," not in value:
        return [value]
    parts = list(dict.fromkeys(part for part in value.split(",") if part))
    if one.key_of is None:
        return parts
    keys = [part for part in parts if read_key(part)]
    entered = ",".join(part for part in value.split(",") if part and not read_key(part))
    return [*keys, entered] if entered else keys


def joined(arguments: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The arguments of a URL. Repeated ones, from checkboxes and pickers, are joined by commas."""
    return {name: ",".join(dict.fromkeys(filter(None, values))) for name, values in arguments.items()}


def _keys_of(key_of: Callable[[str], str | None], entered: str) -> list[str]:
    """The keys of several entered names, which can contain commas themselves. Empty if one of them isn't found.

    Names are looked up until there are too many.
    """
    keys: list[str] = []
    parts = entered.split(",")
    while parts and len(keys) <= MOST:
        for many in range(min(len(parts), COMMAS + 1), 0, -1):
            if key := key_of(",".join(parts[:many]).strip()):
                break
        else:
            return []
        keys.append(key)
        parts = parts[many:]
    return keys


def _choose(found: Chosen, name: str, one: Filter, value: str) -> None:
    wrong, values = one.wrong or ignored.no_choice(name), values_of(one, value)
    entered = values[-1] if one.key_of and values and not read_key(values[-1]) else None
    if one.key_of and entered is not None:
        key = one.key_of(entered)
        if keys := [key] if key else _keys_of(one.key_of, entered) if "," in entered else []:
            values = list(dict.fromkeys([*values[:-1], *keys]))
        else:
            found.typed[name] = entered[:LONGEST]
            found.refused |= {name: wrong} if key is not None else {}
    valid = [part for part in values if one.condition(part) is not None] if len(values) > 1 else values
    if len(valid) < len(values):
        found.refused[name] = wrong
    if len(valid) > MOST:
        valid, found.refused[name] = valid[:MOST], TOO_MANY
    condition = one.any_of(valid) if one.any_of and len(valid) > 1 else one.condition(valid[0]) if valid else None
    if condition is None:
        found.refused[name] = wrong
        found.typed[name] = value[:LONGEST]
        return
    found.values[name] = ",".join(valid)
    found.conditions.append(condition)
    found.sort = found.sort or one.sort
