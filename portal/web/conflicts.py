"""Show an edit conflict: the fields that both people changed, and those that were merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response
from wtforms import Field

from portal.web.forms import EditForm, form_base
from portal.web.people import name_of
from portal.web.rendering import render


@dataclass(frozen=True)
class Clash:
    """A field that both people changed. The form sends values and shows labels."""

    name: str
    label: str
    was: str
    theirs: str
    mine: str
    theirs_label: str
    mine_label: str


@dataclass(frozen=True)
class Merged:
    """A field that only one of them changed."""

    label: str
    was: str
    now: str
    by: str


def answer(form: EditForm, current: Any, *, action: str, back_url: str) -> Response:
    """Respond 409 with both edits. `current` is the row as it is now."""
    now = form.stored_in(current)
    seen = {name: str(value) for name, value in form.seen_values().items()}
    mine = {name: str(form[name].data or "") for name in now}
    theirs_by, clashes, merged, kept = name_of(current.updated_by), [], [], []
    for name, my_value in mine.items():
        field, was, their_value = form[name], seen.get(name), now[name]
        if my_value == their_value:
            kept.append((name, their_value))
        elif was in (my_value, their_value):
            newer, by = (their_value, theirs_by) if was == my_value else (my_value, "you")
            kept.append((name, newer))
            merged.append(Merged(_label(field), _shown(field, was), _shown(field, newer), by))
        else:
            shown = _shown(field, was or ""), _shown(field, their_value), _shown(field, my_value)
            clashes.append(Clash(name, _label(field), shown[0], their_value, my_value, shown[1], shown[2]))
    return render(
        "errors/conflict.html",
        status=409,
        title="Someone else saved changes",
        back_url=back_url,
        back_label=current.name,
        who=theirs_by,
        when=current.updated_at,
        clashes=clashes,
        merged=merged,
        hidden=[("version", str(current.version)), ("base", form_base(now)), *kept],
        action=action,
    )


def _label(field: Field) -> str:
    return str(field.label.text)


def _shown(field: Field, value: str) -> str:
    choices = (
        {str(choice.value): str(choice.label) for choice in field.iter_choices()}
        if hasattr(field, "iter_choices")
        else {}
    )
    return choices.get(value, value) or "empty"
