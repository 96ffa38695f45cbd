"""Parse request bodies: JSON objects with only the expected members, all of them strings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from flask import abort, request

from portal.api.limits import MOST_BYTES, TEXT
from portal.web.problems import problem


def fields(longest: Mapping[str, int], optional: Sequence[str] = ()) -> dict[str, str]:
    """The members of the body; `longest` has their maximum lengths. Aborts with a problem if the body is invalid."""
    if request.mimetype != "application/json":
        abort(problem(415))
    raw = request.get_data()
    if len(raw) > MOST_BYTES:
        abort(problem(413))
    try:
        sent = json.loads(raw.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_refuse)
    except (ValueError, RecursionError):
        abort(problem(400, "The body is not JSON, or has duplicate members."))
    if not isinstance(sent, dict):
        abort(problem(422, "The body must be a JSON object."))
    if errors := list(_errors(sent, longest, optional)):
        abort(problem(422, errors=errors))
    return sent


def _errors(sent: dict[str, Any], longest: Mapping[str, int], optional: Sequence[str]) -> list[dict[str, str]]:
    wrong = {name: "This member is missing." for name in longest.keys() - sent.keys() - set(optional)}
    for name, value in sent.items():
        if name not in longest:
            wrong[""] = f"Send only these members: {', '.join(longest)}."
        elif not isinstance(value, str) or not 1 <= len(value) <= longest[name]:
            wrong[name] = f"This must be a string of 1 to {longest[name]} characters."
        elif not TEXT.fullmatch(value):
            wrong[name] = "This contains invalid characters."
    return [{"pointer": f"#/{name}" if name else "#", "detail": detail} for name, detail in sorted(wrong.items())]


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse duplicate members, because parsers disagree about them."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refuse(_constant: str) -> NoReturn:
    """NaN and Infinity aren't JSON."""
    raise ValueError
