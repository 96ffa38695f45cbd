"""Actions recorded by the data browser."""

from __future__ import annotations

from portal.core.actions import Action

DATA_BROWSER_OPENED = Action("data_browser_opened", "viewed the table", "Viewed a table", "search", is_counted=True)
DATA_BROWSER_COPIED = Action(
    "data_browser_copied", "copied a row", "Copied a row", "search", "of the table",
    verb_with="copied the row with the key {row}",
)  # fmt: skip
DATA_BROWSER_QUERIED = Action(
    "data_browser_queried", "queried the database", "Queried the database", "search",
    verb_with="queried the database: {query}",
)  # fmt: skip
DATA_BROWSER_DOWNLOADED = Action(
    "data_browser_downloaded", "downloaded the result of a query", "Downloaded the result of a query", "download",
    verb_with="downloaded the result of the query: {query}",
)  # fmt: skip

ACTIONS = (DATA_BROWSER_OPENED, DATA_BROWSER_COPIED, DATA_BROWSER_QUERIED, DATA_BROWSER_DOWNLOADED)
