"""Name the arguments of a list's URL that have no effect, so that nobody relies on a misspelled filter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

LONGEST = 60  # characters of what is quoted
MOST = 5  # sentences about unknown arguments
PLACE = ("after", "before", "page", "at")  # arguments of every list: where the shown rows begin


def sentences(arguments: Mapping[str, str], chosen: Mapping[str, str], filters: Collection[str]) -> dict[str, str]:
    """A sentence for each argument that is unknown, or whose value was replaced by the `chosen` one."""
    known = [*filters, *chosen, "q", *PLACE]
    other = {name for name, own in chosen.items() if arguments.get(name) not in (None, "", own)}
    strange = [name[:LONGEST] for name in arguments if name not in known][:MOST]
    found = {name: no_choice(name) for name in other}
    return found | {name: _unknown(name, known) for name in strange}


def no_choice(name: str) -> str:
    """Without the value: no page repeats what may be somebody's email address."""
    return f"“{name}” has no such option, so it has no effect."


def _unknown(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"This list has no filter “{name}”, so it has no effect.{f' Did you mean “{close[0]}”?' if close else ''}"
