"""The rows of a list as HTML.

Not a template, which would make a call for each of several hundred values to escape it. To keep pages small, rows and
cells have no end tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

from portal.core.actor import current_actor
from portal.core.clock import now
from portal.core.listing import Listing
from portal.core.policy import Permissions, allows
from portal.resources.bulk import DELETED
from portal.resources.columns import Column, Kind
from portal.web.escaping import escaped, html_of
from portal.web.jinja import ago, compact, exact, hue, initials

Cell = Callable[[Any], str]  # makes a cell of a row's value


ACTIONS = {
    "edit": '<td><a href="{}/edit" aria-label="Edit {}"></a>',
    "restore": '<td><button formaction="{}/restore" aria-label="Restore {}">Restore</button>',
}


def table_rows(
    rows: Iterable[tuple[Any, str, str]], columns: Sequence[Column], listing: Listing, base: str, may: Permissions
) -> Markup:
    """The rows of a page, given with title and subtitle: a checkbox, these two, the other cells, and an action.

    `base` is the URL of the list, below which the pages of its rows are.
    """
    name, needed = ("restore", may.delete) if listing.status == DELETED else ("edit", may.write)
    action = ACTIONS[name] if allows(current_actor(), needed) else "<td>"
    cells = [(_cell(one, listing), one.of) for one in columns if one.kind != "title" and one.is_shown(listing)]
    parts: list[str] = []
    for row, name, subtitle in rows:
        key, title = str(row.id), escaped(name)
        parts.append(
            f'<tr><td><input type="checkbox" name="id" value="{key}" aria-label="Select {title}">'
            f'<a class="hue-{hue(row.id)}" data-face="{escaped(initials(name))}" href="{base}{key}">{title}</a>'
        )
        if subtitle:
            parts.append(f"<small>{html_of(subtitle)}</small>")
        for cell, of in cells:
            parts.append(cell(of(row)))
        parts.append(action.format(base + key, title))
    return Markup("".join(parts))  # noqa: S704 -- all values are escaped


def _cell(column: Column, listing: Listing) -> Cell:
    """A function that makes a column's cells. Phones, which have no headings, show the label before some values."""
    label = column.phone_label(listing)
    opening = f'<td data-as="{label}"' if label else "<td"
    return CELLS[column.kind](column, opening)


def _text(_column: Column, opening: str) -> Cell:
    return lambda value: f"{opening}>{html_of(value)}"


def _state(_column: Column, opening: str) -> Cell:
    return lambda value: opening + _of_state(*value)


@lru_cache(maxsize=64)
def _of_state(dot: str, label: str, sign: str) -> str:
    meaning = f'<i class="two" role="img" aria-label="{escape(sign)}" title="{escape(sign)}"></i>' if sign else ""
    return f' class="{dot}">{escape(label)}{meaning}'


def _number(_column: Column, opening: str) -> Cell:
    def cell(value: Any) -> str:
        count, url = value
        shown = compact(count)
        return f'{opening} class="number">' + (f'<a href="{escape(url)}">{shown}</a>' if url and count.value else shown)

    return cell


def _time(column: Column, opening: str) -> Cell:
    never = f'{opening} class="quiet">{escape(column.never)}'
    opening = f'{opening} class="minor"' if column.is_minor and "data-as" not in opening else opening
    here = now()

    def cell(value: Any) -> str:
        if not value:
            return never
        shown = ago(value, here)
        hidden = exact(value, seconds=False).removeprefix(f"{shown}, ")  # the time of day, if the date is shown
        return f'{opening} title="{hidden}">{shown}'

    return cell


CELLS: Mapping[Kind, Callable[[Column, str], Cell]] = {
    "text": _text, "dot": _state, "number": _number, "time": _time,
}  # fmt: skip
