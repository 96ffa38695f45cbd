"""Show the history of a row on its page, and confirm changes that can be undone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flask import Response, flash, request

from portal.core.history import was_made_here
from portal.core.listing import Listing
from portal.web.given import Given
from portal.web.rendering import redirect


class ActivityFeed(Protocol):
    """What the activity feature provides; its entries are those of portal/activity/entries.py."""

    def of_row(self, table: str, row_id: uuid.UUID) -> Sequence[Any]:
        """The newest entries about a row."""

    def latest(self) -> Sequence[Any]:
        """The newest operations besides sign-ins."""

    def listing(self, arguments: Mapping[str, str], path: str) -> Listing:
        """The list of operations for these URL arguments."""

    def is_followed(self, table: str, row_id: uuid.UUID) -> bool:
        """Whether the reader follows the row."""


feed: Given[ActivityFeed] = Given("feed")


def history_of(table: str, row_id: uuid.UUID) -> Sequence[Any]:
    """The newest entries about a row, for its own page."""
    return feed().of_row(table, row_id)


def latest_changes() -> Sequence[Any]:
    """The newest operations that the reader may see, besides sign-ins."""
    return feed().latest()


def confirm(row: Any, text: str, undo_url: str, *, is_made_here: bool | None = None) -> None:
    """Flash a message about a row, with an undo button if this request changed it: asks the history if not told."""
    if was_made_here(row, row.version) if is_made_here is None else is_made_here:
        offer_undo(text, undo_url, version=row.version)
    else:
        flash(text, "success")


def offer_undo(text: str, undo_url: str, **fields: object) -> None:
    """Flash what happened, with a button that sends the fields to `undo_url`."""
    sent = {name: str(value) for name, value in fields.items()}
    flash({"text": text, "url": undo_url, "fields": sent}, "undo")  # type: ignore[arg-type]


def deleted_meanwhile(row: Any, url: str) -> Response:
    """Redirect from the form of a deleted row to where it can be restored, and say so if changes were not saved."""
    lost = " was deleted in the meantime, so your changes were not saved" if request.method == "POST" else " is deleted"
    flash(f"{row.name}{lost}. Restore it first.", "error")
    return redirect(url)
