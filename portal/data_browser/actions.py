"""What reading in the data browser leaves in the history."""

from __future__ import annotations

from portal.core.actions import Action

BROWSER_OPENED = Action("browser_opened", "viewed the table", "Viewed a table", "search", is_counted=True)
BROWSER_COPIED = Action(
    "browser_copied", "copied a row", "Copied a row", "search", "of the table",
    verb_with="copied the row with the key {row}",
)  # fmt: skip
BROWSER_QUERIED = Action(
    "browser_queried", "queried the database", "Queried the database", "search",
    verb_with="queried the database: {query}",
)  # fmt: skip

ACTIONS = (BROWSER_OPENED, BROWSER_COPIED, BROWSER_QUERIED)
