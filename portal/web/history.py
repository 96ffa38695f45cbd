"""What stands in the history of a row, for the page that shows the row? And what confirms an act that can be undone?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from flask import Response, flash

from portal.web.rendering import redirect

HistoryOf = Callable[[str, uuid.UUID], Sequence[Any]]

_look_ups: dict[str, HistoryOf] = {}


def history_with(function: HistoryOf) -> HistoryOf:
    """Register how a row's newest events are told; the feature that tells the history does."""
    _look_ups["history"] = function
    return function


def history_of(table: str, row_id: uuid.UUID) -> Sequence[Any]:
    """The newest entries about a row, as portal/activity/telling.py makes them."""
    return _look_ups["history"](table, row_id)


def confirm(row: Any, done: str, undo_url: str, *, since: int = 0) -> None:
    """Say what was done to a row, with a button that undoes it unless the row is still at the version `since`."""
    text = f"{row.name} is {done}."
    if row.version == since:
        flash(text, "success")
    else:
        flash({"text": text, "url": undo_url, "version": row.version}, "undo")  # type: ignore[arg-type]


def deleted_meanwhile(row: Any, url: str) -> Response:
    """Answer the edit of a row that is gone by now: where it can be restored, with a word on what was typed."""
    flash(f"{row.name} is deleted. Restore first; nothing of what you typed was saved.", "error")
    return redirect(url)
